using System.Globalization;

namespace DiffusionClip.Denoising;

/// <summary>Checks that configurations share; each error names the option as the file writes it.</summary>
internal static class OptionCheck
{
    public static InvalidRequestException Invalid(string option, string? value, string remedy) => new(option, value, remedy);

    public static void AtLeast(string option, int value, int least)
    {
        if (value < least)
        {
            throw Invalid(option, value.ToString(CultureInfo.InvariantCulture), FormattableString.Invariant($"{least} or more is needed"));
        }
    }

    public static void Within(string option, int value, int least, int most)
    {
        if (value < least || value > most)
        {
            throw Invalid(
                option, value.ToString(CultureInfo.InvariantCulture), FormattableString.Invariant($"{least} to {most} is needed"));
        }
    }

    public static void Within(string option, double value, double least, double most)
    {
        if (!(value >= least && value <= most))
        {
            throw Invalid(
                option, value.ToString("R", CultureInfo.InvariantCulture), FormattableString.Invariant($"{least} to {most} is needed"));
        }
    }

    /// <summary>Refuses models that predict a variance beside the noise.</summary>
    public static void NoVariance(string? varianceType)
    {
        if (varianceType is not null)
        {
            throw Invalid("variance_type", varianceType, "models that predict their variance are not supported; leave it out");
        }
    }

    /// <summary>The number of steps of a request: given, or as many as there are timesteps or intervals of sigmas.</summary>
    public static int Steps(ScheduleRequest request, string className, int trainTimesteps, bool takesTimesteps, bool takesSigmas)
    {
        if (request.Timesteps is not null && !takesTimesteps)
        {
            throw Invalid("timesteps", "a list", $"{className} takes num_inference_steps only");
        }

        if (request.Sigmas is not null && !takesSigmas)
        {
            string taken = takesTimesteps ? "num_inference_steps or timesteps" : "num_inference_steps";
            throw Invalid("sigmas", "a list", $"{className} takes {taken} only");
        }

        if (request.Timesteps is { } timesteps)
        {
            if (timesteps.Count == 0 || timesteps.Any(t => !(t >= 0 && t <= trainTimesteps)))
            {
                throw Invalid(
                    "timesteps",
                    Listed(timesteps),
                    FormattableString.Invariant($"at least one is needed, each from 0 to {trainTimesteps}"));
            }

            return timesteps.Count;
        }

        if (request.Sigmas is { } sigmas)
        {
            if (sigmas.Count == 0 || sigmas.Any(s => !(s >= 0 && double.IsFinite(s))))
            {
                throw Invalid("sigmas", Listed(sigmas), "finite numbers of 0 or more are needed");
            }

            return sigmas.Count;
        }

        int steps = request.NumInferenceSteps ?? throw Invalid("num_inference_steps", null, "give the number of steps");
        if (steps < 1 || steps > trainTimesteps)
        {
            throw Invalid(
                "num_inference_steps",
                steps.ToString(CultureInfo.InvariantCulture),
                FormattableString.Invariant(
                    $"1 to {trainTimesteps} are possible: the model was trained with {trainTimesteps} timesteps (num_train_timesteps)"));
        }

        return steps;
    }

    /// <summary>The first step that runs.</summary>
    public static int BeginIndex(ScheduleRequest request, int steps)
    {
        if (request.BeginIndex is { } begin)
        {
            Within("begin_index", begin, 0, steps - 1);
            return begin;
        }

        Within("strength", request.Strength, 0, 1);
        int running = Math.Min((int)(steps * request.Strength), steps);
        if (running < 1)
        {
            throw Invalid("strength", request.Strength.ToString("R", CultureInfo.InvariantCulture),
                FormattableString.Invariant($"it leaves none of {steps} steps; at least {1.0 / steps:0.####} is needed, or more steps"));
        }

        return steps - running;
    }

    private static string Listed(IEnumerable<double> values) =>
        string.Join(", ", values.Select(v => v.ToString("R", CultureInfo.InvariantCulture)));
}
