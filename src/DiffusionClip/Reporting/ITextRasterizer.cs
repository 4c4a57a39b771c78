namespace DiffusionClip.Reporting;

/// <summary>Turns one line of text into pixels. What the typeface lacks shows as a box, so that a prompt's length stays visible.</summary>
public interface ITextRasterizer
{
    /// <summary>Width of a line in pixels.</summary>
    /// <param name="text">One line without control characters.</param>
    /// <param name="size">Height of the em square in pixels.</param>
    /// <param name="bold">Whether the bold face is meant.</param>
    float Measure(string text, float size, bool bold);

    /// <summary>Draws a line.</summary>
    /// <param name="text">One line without control characters.</param>
    /// <param name="size">Height of the em square in pixels.</param>
    /// <param name="bold">Whether the bold face is meant.</param>
    TextMask Rasterize(string text, float size, bool bold);
}

/// <summary>How much of each pixel a line of text covers.</summary>
/// <param name="Width">Columns; 0 for nothing to draw.</param>
/// <param name="Height">Rows.</param>
/// <param name="Baseline">Rows from the top to the baseline.</param>
/// <param name="Coverage">[Height, Width], 0 for none to 255 for all.</param>
public sealed record TextMask(int Width, int Height, int Baseline, ReadOnlyMemory<byte> Coverage);
