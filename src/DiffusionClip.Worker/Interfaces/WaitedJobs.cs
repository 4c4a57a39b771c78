using DiffusionClip.Worker.Jobs;

namespace DiffusionClip.Worker.Interfaces;

/// <summary>Jobs that a request waits for while its connection is open.</summary>
internal sealed class WaitedJobs(IJobQueue queue, IArtifactStore artifacts)
{
    /// <summary>Writes a job down.</summary>
    /// <param name="caller">The caller.</param>
    /// <param name="request">What is wanted.</param>
    /// <param name="cache">Whether an equal job's pictures may be the answer.</param>
    /// <param name="idempotencyKey">The caller's name for it.</param>
    public Task<Job> SubmitAsync(string caller, ImageRequest request, CacheUse cache = CacheUse.Allow, string? idempotencyKey = null) =>
        // The write is not given up half-way: a job that may or may not be there could not be cancelled.
        queue.SubmitAsync(
            new JobSubmission(caller, JobKind.Generate, new JobBody { Generate = request, Cache = cache })
            {
                Priority = JobPriority.Interactive,
                IdempotencyKey = idempotencyKey,
            },
            CancellationToken.None);

    /// <summary>
    /// Waits for a job's end. A client that disconnects ends it at once, unless it has an idempotency key to ask for it again.
    /// </summary>
    /// <param name="job">The job.</param>
    /// <param name="gone">The connection is closed.</param>
    public async Task<Job> WaitAsync(Job job, CancellationToken gone)
    {
        try
        {
            return await queue.WaitAsync(job.Caller, job.Id, gone).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (gone.IsCancellationRequested)
        {
            await queue.CancelAsync(job.Caller, job.Id).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The kept pictures' files, best first.</summary>
    /// <param name="job">A job that is done.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="StorageException">A file is gone.</exception>
    public async Task<IReadOnlyList<KeptPicture>> ReadAsync(Job job, CancellationToken cancellationToken)
    {
        var pictures = new List<KeptPicture>();
        foreach (ResultImage image in job.Result?.Images.Where(image => image.Kept) ?? [])
        {
            Artifact file = await artifacts.FindAsync(image.Sha256, cancellationToken).ConfigureAwait(false)
                ?? throw new StorageException($"the picture {image.Sha256} of job {job.Id} is no longer there");
            pictures.Add(
                new(image, job.Result!.Report?.Candidates.FirstOrDefault(candidate => candidate.Index == image.Index), file.Content));
        }

        return pictures;
    }
}

/// <summary>A picture of a job that is done.</summary>
/// <param name="Image">Its entry in the result.</param>
/// <param name="Candidate">Its entry in the report.</param>
/// <param name="File">The file, in the format that was asked for.</param>
internal sealed record KeptPicture(ResultImage Image, CandidateReport? Candidate, ReadOnlyMemory<byte> File);
