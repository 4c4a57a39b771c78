using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using System.Text;
using DiffusionClip.Models;
using DiffusionClip.Scoring;

namespace DiffusionClip.Verification;

/// <summary>Tries a generator as a whole: the smallest picture, twice.</summary>
/// <param name="pipeline">Paints it.</param>
internal sealed class GeneratorTrial(ImagePipeline pipeline)
{
    private const int Steps = 2;
    private const string Prompt = "a red apple";

    /// <summary>Tries it; what is wrong is in the checks, not thrown.</summary>
    public async Task<List<VerificationCheck>> TryAsync(DiffusionFolder folder, string provider, CancellationToken cancellationToken)
    {
        try
        {
            int side = folder.Decoder.SpatialScale << folder.Denoiser.Downsamplings;
            try
            {
                return await PaintAsync(folder, side, side, provider, cancellationToken).ConfigureAwait(false);
            }
            catch (InvalidRequestException exception) when (exception.Field == "width, height")
            {
                // A graph of fixed size.
                return await PaintAsync(folder, folder.Defaults.Width, folder.Defaults.Height, provider, cancellationToken)
                    .ConfigureAwait(false);
            }
        }
        catch (Exception exception) when (exception is DiffusionClipException and not ExecutionProviderException)
        {
            return [VerificationCheck.Of("painting", CheckState.Failed, exception.Message)];
        }
    }

    private async Task<List<VerificationCheck>> PaintAsync(
        DiffusionFolder folder, int width, int height, string provider, CancellationToken cancellationToken)
    {
        // A denoiser with channels for a mask is given one: all of a grey picture is painted.
        const string picture = "picture", mask = "mask";
        bool wantsMask = folder.Denoiser.InChannels > folder.Denoiser.OutChannels;
        var pictures = new Dictionary<string, RgbImage>
        {
            [Name(picture)] = TestPicture.Plain(128, 128, 128),
            [Name(mask)] = TestPicture.Plain(255, 255, 255),
        };
        static string Name(string what) => OriginRequest.NameOf(Encoding.UTF8.GetBytes(what));
        var request = new ImageRequest
        {
            Prompt = new() { Text = Prompt },
            Model = new() { Id = FolderFacts.NameOf(folder), Provider = provider },
            Sampling = new() { Seed = 1, NumInferenceSteps = Steps, Width = width, Height = height },
            Search = new() { Candidates = 1, Scorer = ScorerCatalog.None },
            Origin = wantsMask ? new() { Image = Name(picture), Mask = Name(mask), Strength = 1 } : null,
        };
        var watch = new LatentsWatch();
        var control = new RunControl { Abort = cancellationToken, Observer = watch };
        PreparedRun prepared = pipeline.Prepare(request, pictures);
        long started = Stopwatch.GetTimestamp();
        RankedImages first = await pipeline.GenerateAsync(prepared, control).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        RankedImages again = await pipeline.GenerateAsync(prepared, control).ConfigureAwait(false);
        string what = string.Create(CultureInfo.InvariantCulture, $"{width}x{height}, {Steps} steps, {seconds:0.0} s");
        if (first.Images is not [var painted] || again.Images is not [var repeated])
        {
            return [VerificationCheck.Of("painting", CheckState.Failed, $"{what}: no picture came of it")];
        }

        bool same = painted.Image.Pixels.Span.SequenceEqual(repeated.Image.Pixels.Span);
        return
        [
            watch.AreFinite
                ? VerificationCheck.Of("painting", CheckState.Ok, what)
                : VerificationCheck.Of("painting", CheckState.Failed, $"{what}: the latents are not finite"),
            same
                ? VerificationCheck.Of("repetition", CheckState.Ok, "the same picture twice")
                : VerificationCheck.Of("repetition", CheckState.Note, "the same seed gave another picture the second time"),
        ];
    }

    private sealed class LatentsWatch : IRunObserver
    {
        public bool AreFinite { get; private set; } = true;

        public void OnStep(in StepUpdate update) => AreFinite &= float.IsFinite(TensorPrimitives.SumOfMagnitudes(update.Sample));
    }
}
