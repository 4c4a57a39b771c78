namespace DiffusionClip.Denoising;

/// <summary>Timesteps that serve as indices into a table of training steps.</summary>
internal static class TimestepIndex
{
    /// <summary>The index of a whole timestep.</summary>
    /// <exception cref="InvalidRequestException">It lies beyond the training steps, as a large <c>steps_offset</c> can make it.</exception>
    public static int Of(double timestep, int trainTimesteps)
    {
        int index = (int)timestep;
        return index >= 0 && index < trainTimesteps
            ? index
            : throw new InvalidRequestException("steps_offset", FormattableString.Invariant($"timestep {timestep}"),
                FormattableString.Invariant($"timesteps 0 to {trainTimesteps - 1} exist; use fewer steps or a smaller steps_offset"));
    }
}
