using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using DiffusionClip.Collections;

namespace DiffusionClip.Models;

/// <summary>The SHA-256 of every file of a model, and of all of them together.</summary>
/// <param name="Identity">
/// SHA-256 over the lines <c>hash, two spaces, path, newline</c> in ordinal order of the paths (what <c>sha256sum</c> writes):
/// <see cref="ModelReport.Sha256"/>.
/// </param>
/// <param name="Files">Lower-case hexadecimal SHA-256 by path in the folder, in ordinal order: <see cref="ModelReport.Files"/>.</param>
public sealed record ModelHashes(string Identity, IReadOnlyDictionary<string, string> Files)
{
    internal const int MostKnown = 4096;

    /// <summary>Hashes remembered now.</summary>
    internal static int KnownNow => Known.Count;

    // Models are tens of megabytes to gigabytes: a file that has not changed is not read again as long as it is remembered.
    private static readonly BoundedCache<(string Path, long Length, long Written), string> Known = new(MostKnown);

    /// <summary>Hashes every file of a folder; blocks while it reads. Files are read side by side.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="cancellationToken">Stops between blocks.</param>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    public static ModelHashes Compute(ModelFolder folder, CancellationToken cancellationToken = default)
    {
        IReadOnlyList<string> files = folder.Files;
        string[] hashes = new string[files.Count];
        try
        {
            // The largest first, else the last one starts when the others are done.
            int[] order = [.. Enumerable.Range(0, files.Count).OrderByDescending(i => LengthOf(folder.PathOf(files[i])))];
            Parallel.ForEach(
                Partitioner.Create(order, EnumerablePartitionerOptions.NoBuffering),
                new ParallelOptions { CancellationToken = cancellationToken, MaxDegreeOfParallelism = Environment.ProcessorCount },
                i => hashes[i] = OfFile(folder.PathOf(files[i]), cancellationToken));
        }
        catch (AggregateException exception)
        {
            throw exception.InnerExceptions.OfType<ModelFolderException>().FirstOrDefault() as Exception ?? exception;
        }

        var byPath = new OrderedDictionary<string, string>(StringComparer.Ordinal);
        var lines = new StringBuilder();
        for (int i = 0; i < hashes.Length; i++)
        {
            byPath.Add(files[i], hashes[i]);
            lines.Append(hashes[i]).Append("  ").Append(files[i]).Append('\n');
        }

        return new(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines.ToString()))), byPath);
    }

    /// <summary>Compares with what the folder declares.</summary>
    /// <exception cref="ModelFolderException">A file's hash is not the declared one; names file, expected and actual hash.</exception>
    public void Check(ModelFolder folder)
    {
        foreach ((string file, string expected) in folder.Manifest?.Files ?? new Dictionary<string, string>())
        {
            if (Files.TryGetValue(file, out string? actual) && actual != expected)
            {
                throw new ModelFolderException(
                    folder.PathOf(file),
                    $"damaged or another version: its SHA-256 is {actual}, expected {expected} ({ModelManifest.FileName})");
            }
        }
    }

    /// <summary>SHA-256 of one file, read in blocks; known files are not read again.</summary>
    internal static string OfFile(string path, CancellationToken cancellationToken)
    {
        try
        {
            var info = new FileInfo(path);
            if (!info.Exists)
            {
                throw new ModelFolderException(path, "missing; the model needs this file");
            }

            // A link's own length and time say nothing of the file behind it.
            FileSystemInfo target = info.LinkTarget is null ? info : info.ResolveLinkTarget(returnFinalTarget: true) ?? info;
            (string, long, long) key = (path, ((FileInfo)target).Length, target.LastWriteTimeUtc.Ticks);
            if (Known.TryGet(key, out string? known))
            {
                return known;
            }

            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
            using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            byte[] block = System.Buffers.ArrayPool<byte>.Shared.Rent(1 << 18);
            try
            {
                int read;
                while ((read = stream.Read(block)) > 0)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    hash.AppendData(block, 0, read);
                }
            }
            finally
            {
                System.Buffers.ArrayPool<byte>.Shared.Return(block);
            }

            string computed = Convert.ToHexStringLower(hash.GetHashAndReset());
            Known.Add(key, computed);
            return computed;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFolderException(path, $"cannot be read ({exception.Message})", exception);
        }
    }

    private static long LengthOf(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;
}
