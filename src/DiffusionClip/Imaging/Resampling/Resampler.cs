using System.Buffers;

namespace DiffusionClip.Imaging.Resampling;

/// <summary>
/// Resizes 8-bit RGB exactly as <c>Image.resize</c> of Pillow 13 does (Resample.c and, for nearest, Geometry.c): the same bytes, on every
/// machine. When a picture shrinks, the filter widens with the scale (antialiasing).
/// </summary>
public static class Resampler
{
    /// <summary>Resizes a whole picture.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="width">New width, at least 1.</param>
    /// <param name="height">New height, at least 1.</param>
    /// <param name="filter">The filter.</param>
    /// <returns>The resized picture; the same object when the size is the same.</returns>
    public static RgbImage Resize(RgbImage image, int width, int height, ResamplingFilter filter)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        if (width == image.Width && height == image.Height)
        {
            return image;
        }

        byte[] pixels = new byte[checked(3 * width * height)];
        Resize(image, width, height, filter, new PixelRegion(0, 0, width, height), pixels);
        return new RgbImage(width, height, pixels);
    }

    /// <summary>
    /// Resizes a picture but computes only a region of the result, which has the same bytes as if it were cut from the whole.
    /// </summary>
    /// <param name="image">The picture.</param>
    /// <param name="width">Width of the whole result, at least 1.</param>
    /// <param name="height">Height of the whole result, at least 1.</param>
    /// <param name="filter">The filter.</param>
    /// <param name="region">The part of the result that is wanted; lies inside it.</param>
    /// <param name="destination">[region.Height, region.Width, 3] bytes.</param>
    /// <exception cref="ArgumentException">The region leaves the result, or the destination is too short.</exception>
    public static void Resize(RgbImage image, int width, int height, ResamplingFilter filter, PixelRegion region, Span<byte> destination) =>
        Resize(image, width, height, filter, region, destination, ResamplerInstructions.Best);

    internal static void Resize(
        RgbImage image,
        int width,
        int height,
        ResamplingFilter filter,
        PixelRegion region,
        Span<byte> destination,
        ResamplerInstructions instructions)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        if (
            region.Width < 1
            || region.Height < 1
            || region.Left < 0
            || region.Top < 0
            || region.Left > width - region.Width
            || region.Top > height - region.Height)
        {
            throw new ArgumentException($"{region} is not inside {width}x{height}.", nameof(region));
        }

        int rowBytes = checked(3 * region.Width);
        int length = checked(rowBytes * region.Height);
        if (destination.Length < length)
        {
            throw new ArgumentException(
                $"{region.Width}x{region.Height} pixels need {length} bytes, not {destination.Length}.",
                nameof(destination));
        }

        destination = destination[..length];
        if (filter == ResamplingFilter.Nearest || (width == image.Width && height == image.Height))
        {
            Nearest(image, width, height, region, destination);
            return;
        }

        if (!Enum.IsDefined(filter))
        {
            throw new ArgumentOutOfRangeException(nameof(filter), filter, "Filters are 0 to 5.");
        }

        if (width == image.Width)
        {
            ResamplingWeights weights = ResamplingWeights.For(image.Height, height, filter, region.Top, region.Height);
            ResamplerKernel.Vertical(
                image.Pixels.Span[(3 * region.Left)..],
                3 * image.Width,
                0,
                image.Height,
                rowBytes,
                weights,
                destination,
                instructions);
            return;
        }

        ResamplingWeights columns = ResamplingWeights.For(image.Width, width, filter, region.Left, region.Width);
        ResamplingWeights? rows =
            height == image.Height ? null : ResamplingWeights.For(image.Height, height, filter, region.Top, region.Height);
        if (rows is not null && VerticalFirst(image, width, height))
        {
            ResizeVerticalFirst(image, columns, rows, destination, instructions);
        }
        else
        {
            ResizeHorizontalFirst(image, columns, rows, region.Top, destination, instructions);
        }
    }

    // The passes round and clip in between, so their order shows in the last bit. Since version 13 Pillow runs the vertical pass first
    // where the height loses more than twice as many pixels as the width.
    private static bool VerticalFirst(RgbImage image, int width, int height) =>
        height < image.Height && image.Height - height > 2L * (image.Width - width);

    private static void ResizeHorizontalFirst(
        RgbImage image,
        ResamplingWeights columns,
        ResamplingWeights? rows,
        int top,
        Span<byte> destination,
        ResamplerInstructions instructions)
    {
        int rowBytes = 3 * columns.Count;
        int firstRow = rows?.FirstSource ?? top;
        int rowCount = (rows?.EndSource ?? top + (destination.Length / rowBytes)) - firstRow;
        int stride = rowBytes + ResamplerKernel.RowPadding;
        using PixelBuffer<byte> between = new(checked(stride * rowCount));
        ReadOnlySpan<byte> source = image.Pixels.Span[(firstRow * 3 * image.Width)..];
        ResamplerKernel.Horizontal(source, image.Width, rowCount, columns, between.Span, stride, instructions);
        if (rows is null)
        {
            Unpad(between.Span, stride, rowBytes, destination);
            return;
        }

        ResamplerKernel.Vertical(between.Span, stride, firstRow, rowCount, rowBytes, rows, destination, instructions);
    }

    private static void ResizeVerticalFirst(
        RgbImage image,
        ResamplingWeights columns,
        ResamplingWeights rows,
        Span<byte> destination,
        ResamplerInstructions instructions)
    {
        int sourceBytes = 3 * image.Width;
        int rowBytes = 3 * columns.Count;
        int stride = rowBytes + ResamplerKernel.RowPadding;
        using PixelBuffer<byte> between = new(checked(sourceBytes * rows.Count));
        using PixelBuffer<byte> padded = new(checked(stride * rows.Count));
        ResamplerKernel.Vertical(image.Pixels.Span, sourceBytes, 0, image.Height, sourceBytes, rows, between.Span, instructions);
        ResamplerKernel.Horizontal(between.Span, image.Width, rows.Count, columns, padded.Span, stride, instructions);
        Unpad(padded.Span, stride, rowBytes, destination);
    }

    private static void Unpad(ReadOnlySpan<byte> rows, int stride, int rowBytes, Span<byte> destination)
    {
        for (int from = 0, to = 0; to < destination.Length; from += stride, to += rowBytes)
        {
            rows.Slice(from, rowBytes).CopyTo(destination[to..]);
        }
    }

    // Pillow steps through the source by adding the scale again and again; a product would now and then land on the neighbour.
    private static void Nearest(RgbImage image, int width, int height, PixelRegion region, Span<byte> destination)
    {
        ReadOnlySpan<byte> source = image.Pixels.Span;
        int[] columns = ArrayPool<int>.Shared.Rent(region.Width);
        int[] rows = ArrayPool<int>.Shared.Rent(region.Height);
        try
        {
            Positions(image.Width, width, region.Left, columns.AsSpan(0, region.Width));
            Positions(image.Height, height, region.Top, rows.AsSpan(0, region.Height));
            for (int y = 0; y < region.Height; y++)
            {
                ReadOnlySpan<byte> from = source.Slice(rows[y] * 3 * image.Width, 3 * image.Width);
                Span<byte> to = destination.Slice(y * 3 * region.Width, 3 * region.Width);
                if (width == image.Width)
                {
                    from.Slice(3 * region.Left, 3 * region.Width).CopyTo(to);
                    continue;
                }

                for (int x = 0; x < region.Width; x++)
                {
                    from.Slice(3 * columns[x], 3).CopyTo(to[(3 * x)..]);
                }
            }
        }
        finally
        {
            ArrayPool<int>.Shared.Return(columns);
            ArrayPool<int>.Shared.Return(rows);
        }
    }

    private static void Positions(int source, int target, int start, Span<int> positions)
    {
        double scale = (double)source / target;
        double position = scale * 0.5;
        for (int i = 0; i < start + positions.Length; i++, position += scale)
        {
            if (i >= start)
            {
                positions[i - start] = Math.Min((int)position, source - 1);
            }
        }
    }
}
