namespace DiffusionClip.Runtime;

/// <summary>Shape of one sample.</summary>
/// <param name="Channels">Latent channels.</param>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
public readonly record struct LatentShape(int Channels, int Height, int Width)
{
    /// <summary>Values of one sample.</summary>
    public int Length => checked(Channels * Height * Width);
}
