using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DiffusionClip.Imaging.Resampling;

/// <summary>The instructions a resize runs on; all give the same bits.</summary>
internal enum ResamplerInstructions
{
    /// <summary>The widest the machine has.</summary>
    Best,

    /// <summary>256-bit x86.</summary>
    Avx2,

    /// <summary>128-bit, any machine.</summary>
    Vector128,

    /// <summary>One pixel at a time: the definition.</summary>
    Scalar,
}

/// <summary>
/// The two passes of a resize over interleaved 8-bit RGB. Sums are 32-bit integers (a wrap in a partial sum cancels, since the
/// whole sum fits), rounded by adding a half and clipped to 0..255 after each pass, as Pillow does.
/// </summary>
internal static unsafe class ResamplerKernel
{
    private const int Half = 1 << (ResamplingWeights.FractionBits - 1);

    /// <summary>Rows of the destination of <see cref="Horizontal"/> need this many bytes beyond their pixels.</summary>
    public const int RowPadding = 16;

    private static ResamplerInstructions Resolve(ResamplerInstructions instructions) => instructions switch
    {
        ResamplerInstructions.Best when Avx2.IsSupported => ResamplerInstructions.Avx2,
        ResamplerInstructions.Best when Vector128.IsHardwareAccelerated => ResamplerInstructions.Vector128,
        ResamplerInstructions.Best => ResamplerInstructions.Scalar,
        ResamplerInstructions.Avx2 when !Avx2.IsSupported => throw new PlatformNotSupportedException("AVX2 is not there."),
        _ => instructions,
    };

    /// <summary>Filters rows from left to right.</summary>
    /// <param name="source">[rows, sourceWidth, 3] without padding.</param>
    /// <param name="sourceWidth">Pixels in a source row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="weights">The window of each output column.</param>
    /// <param name="destination">[rows, weights.Count, 3] with rows <paramref name="destinationStride"/> bytes apart.</param>
    /// <param name="destinationStride">At least 3 × weights.Count + <see cref="RowPadding"/>.</param>
    /// <param name="instructions">What to run on.</param>
    public static void Horizontal(
        ReadOnlySpan<byte> source,
        int sourceWidth,
        int rows,
        ResamplingWeights weights,
        Span<byte> destination,
        int destinationStride,
        ResamplerInstructions instructions)
    {
        instructions = Resolve(instructions);
        int sourceStride = sourceWidth * 3;
        fixed (byte* from = source, to = destination)
        fixed (int* first = weights.First, values = weights.Values, pairs = weights.Pairs)
        {
            if (instructions == ResamplerInstructions.Scalar)
            {
                for (int y = 0; y < rows; y++)
                {
                    HorizontalScalar(from + ((long)y * sourceStride), first, values, weights, to + ((long)y * destinationStride));
                }

                return;
            }

            // Vector loads read up to 16 bytes from the start of a window's last pixels. Rows that are followed by others can spare
            // that; the last one, and rows shorter than a window, are read from a padded copy.
            bool copyAll = sourceWidth < weights.Taps || sourceWidth < 8;
            int padded = (Math.Max(sourceWidth, weights.Taps) * 3) + 32;
            byte* copy = (byte*)NativeMemory.AllocZeroed((nuint)padded);
            try
            {
                for (int y = 0; y < rows;)
                {
                    byte* row = from + ((long)y * sourceStride);
                    byte* output = to + ((long)y * destinationStride);
                    if (instructions == ResamplerInstructions.Avx2 && !copyAll && y + 4 < rows)
                    {
                        HorizontalAvx2(
                            row,
                            row + sourceStride,
                            row + (2L * sourceStride),
                            row + (3L * sourceStride),
                            first,
                            pairs,
                            weights,
                            output,
                            destinationStride);
                        y += 4;
                        continue;
                    }

                    if (copyAll || y == rows - 1)
                    {
                        Buffer.MemoryCopy(row, copy, padded, sourceStride);
                        row = copy;
                    }

                    if (instructions == ResamplerInstructions.Avx2)
                    {
                        HorizontalAvx2(row, row, row, row, first, pairs, weights, output, 0);
                    }
                    else
                    {
                        HorizontalVector128(row, first, values, weights, output);
                    }

                    y++;
                }
            }
            finally
            {
                NativeMemory.Free(copy);
            }
        }
    }

    /// <summary>Filters columns from top to bottom.</summary>
    /// <param name="source">
    /// Rows <paramref name="sourceStride"/> bytes apart; row 0 is the source row <paramref name="firstRow"/> of the weights.
    /// </param>
    /// <param name="sourceStride">Bytes from row to row.</param>
    /// <param name="firstRow">Which row of the whole picture the source begins with.</param>
    /// <param name="sourceRows">Rows in the source.</param>
    /// <param name="rowBytes">Bytes of a row to filter.</param>
    /// <param name="weights">The window of each output row.</param>
    /// <param name="destination">[weights.Count, rowBytes] without padding.</param>
    /// <param name="instructions">What to run on.</param>
    public static void Vertical(
        ReadOnlySpan<byte> source,
        int sourceStride,
        int firstRow,
        int sourceRows,
        int rowBytes,
        ResamplingWeights weights,
        Span<byte> destination,
        ResamplerInstructions instructions)
    {
        instructions = Resolve(instructions);
        fixed (byte* from = source, to = destination)
        fixed (int* values = weights.Values, pairs = weights.Pairs)
        {
            for (int y = 0; y < weights.Count; y++)
            {
                int top = weights.First[y] - firstRow;
                int length = weights.Lengths[y];
                byte* output = to + ((long)y * rowBytes);
                int done = 0;
                if (instructions == ResamplerInstructions.Avx2 && rowBytes >= 32)
                {
                    VerticalAvx2(from, sourceStride, top, sourceRows, length, pairs + ((long)y * weights.Taps), rowBytes, output);
                    done = rowBytes;
                }
                else if (instructions != ResamplerInstructions.Scalar && rowBytes >= 16)
                {
                    VerticalVector128(from, sourceStride, top, sourceRows, length, values + ((long)y * weights.Taps), rowBytes, output);
                    done = rowBytes;
                }

                int* window = values + ((long)y * weights.Taps);
                for (int x = done; x < rowBytes; x++)
                {
                    int sum = Half;
                    for (int tap = 0; tap < length; tap++)
                    {
                        sum += from[((long)Row(top + tap, sourceRows) * sourceStride) + x] * window[tap];
                    }

                    output[x] = Clip(sum);
                }
            }
        }
    }

    // Windows that were moved inwards or padded begin or end outside the rows at hand; their weights there are zero.
    private static int Row(int row, int rows) => Math.Clamp(row, 0, rows - 1);

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> ResamplingWeights.FractionBits, 0, 255);

    private static void HorizontalScalar(byte* row, int* first, int* values, ResamplingWeights weights, byte* output)
    {
        for (int x = 0; x < weights.Count; x++)
        {
            int* window = values + ((long)x * weights.Taps);
            byte* pixel = row + (3L * first[x]);
            int red = Half, green = Half, blue = Half;
            for (int tap = 0; tap < weights.Lengths[x]; tap++, pixel += 3)
            {
                red += pixel[0] * window[tap];
                green += pixel[1] * window[tap];
                blue += pixel[2] * window[tap];
            }

            output[3 * x] = Clip(red);
            output[(3 * x) + 1] = Clip(green);
            output[(3 * x) + 2] = Clip(blue);
        }
    }

    private static void HorizontalVector128(byte* row, int* first, int* values, ResamplingWeights weights, byte* output)
    {
        for (int x = 0; x < weights.Count; x++)
        {
            int* window = values + ((long)x * weights.Taps);
            byte* pixel = row + (3L * first[x]);
            Vector128<int> sum = Vector128.Create(Half);
            int length = weights.Lengths[x];
            for (int tap = 0; tap < length; tap++, pixel += 3)
            {
                Vector128<byte> bytes = Vector128.CreateScalarUnsafe(*(uint*)pixel).AsByte();
                sum += Vector128.WidenLower(Vector128.WidenLower(bytes)).AsInt32() * window[tap];
            }

            sum = Clip(sum);
            output[3 * x] = (byte)sum[0];
            output[(3 * x) + 1] = (byte)sum[1];
            output[(3 * x) + 2] = (byte)sum[2];
        }
    }

    private static Vector128<int> Clip(Vector128<int> sum) =>
        Vector128.Min(Vector128.Max(sum >> ResamplingWeights.FractionBits, Vector128<int>.Zero), Vector128.Create(255));

    // Four rows share the loads of the weights. Per four taps: pixels 0 and 1 go to the lower lane as (r0 r1)(g0 g1)(b0 b1), pixels 2
    // and 3 to the upper lane, and one multiply-add per half weight sums the pairs.
    private static void HorizontalAvx2(
        byte* row0,
        byte* row1,
        byte* row2,
        byte* row3,
        int* first,
        int* pairs,
        ResamplingWeights weights,
        byte* output,
        int stride)
    {
        Vector256<byte> spread = Vector256.Create(
            (byte)0, 0x80, 3, 0x80, 1, 0x80, 4, 0x80, 2, 0x80, 5, 0x80, 0x80, 0x80, 0x80, 0x80,
            6, 0x80, 9, 0x80, 7, 0x80, 10, 0x80, 8, 0x80, 11, 0x80, 0x80, 0x80, 0x80, 0x80);
        Vector256<int> takeLow = Vector256.Create(0, 0, 0, 0, 1, 1, 1, 1);
        Vector256<int> takeHigh = Vector256.Create(2, 2, 2, 2, 3, 3, 3, 3);
        Vector128<int> half = Vector128.Create(Half);
        int groups = weights.Taps / 4;
        int count = weights.Count;
        for (int x = 0; x < count; x++)
        {
            long offset = 3L * first[x];
            Vector256<int> low0 = default, low1 = default, low2 = default, low3 = default;
            Vector256<int> high0 = default, high1 = default, high2 = default, high3 = default;
            for (int group = 0; group < groups; group++, pairs += 4, offset += 12)
            {
                Vector256<int> four = Avx2.BroadcastVector128ToVector256(pairs);
                Vector256<short> low = Avx2.PermuteVar8x32(four, takeLow).AsInt16();
                Vector256<short> high = Avx2.PermuteVar8x32(four, takeHigh).AsInt16();

                Vector256<short> pixels = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(row0 + offset), spread).AsInt16();
                low0 += Avx2.MultiplyAddAdjacent(pixels, low);
                high0 += Avx2.MultiplyAddAdjacent(pixels, high);
                pixels = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(row1 + offset), spread).AsInt16();
                low1 += Avx2.MultiplyAddAdjacent(pixels, low);
                high1 += Avx2.MultiplyAddAdjacent(pixels, high);
                pixels = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(row2 + offset), spread).AsInt16();
                low2 += Avx2.MultiplyAddAdjacent(pixels, low);
                high2 += Avx2.MultiplyAddAdjacent(pixels, high);
                pixels = Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(row3 + offset), spread).AsInt16();
                low3 += Avx2.MultiplyAddAdjacent(pixels, low);
                high3 += Avx2.MultiplyAddAdjacent(pixels, high);
            }

            Vector128<int> sum0 = Sum(low0, high0, half),
                sum1 = Sum(low1, high1, half),
                sum2 = Sum(low2, high2, half),
                sum3 = Sum(low3, high3, half);
            Vector128<uint> packed = Sse2.PackUnsignedSaturate(Sse2.PackSignedSaturate(sum0, sum1), Sse2.PackSignedSaturate(sum2, sum3))
                .AsUInt32();
            byte* to = output + (3L * x);

            // Each store writes a fourth byte that the next pixel overwrites, at the end of a row into its padding.
            *(uint*)to = packed.ToScalar();
            *(uint*)(to + stride) = packed.GetElement(1);
            *(uint*)(to + (2L * stride)) = packed.GetElement(2);
            *(uint*)(to + (3L * stride)) = packed.GetElement(3);
        }
    }

    private static Vector128<int> Sum(Vector256<int> low, Vector256<int> high, Vector128<int> half)
    {
        Vector256<int> whole = low + (high << ResamplingWeights.LowBits);
        return (whole.GetLower() + whole.GetUpper() + half) >> ResamplingWeights.FractionBits;
    }

    private static void VerticalVector128(byte* source, int stride, int top, int rows, int length, int* window, int rowBytes, byte* output)
    {
        for (int x = 0; x < rowBytes;)
        {
            Vector128<int> sum0 = Vector128.Create(Half), sum1 = sum0, sum2 = sum0, sum3 = sum0;
            for (int tap = 0; tap < length; tap++)
            {
                Vector128<byte> bytes = Vector128.Load(source + ((long)Row(top + tap, rows) * stride) + x);
                (Vector128<ushort> lower, Vector128<ushort> upper) = Vector128.Widen(bytes);
                (Vector128<uint> a, Vector128<uint> b) = Vector128.Widen(lower);
                (Vector128<uint> c, Vector128<uint> d) = Vector128.Widen(upper);
                int weight = window[tap];
                sum0 += a.AsInt32() * weight;
                sum1 += b.AsInt32() * weight;
                sum2 += c.AsInt32() * weight;
                sum3 += d.AsInt32() * weight;
            }

            Vector128<short> first = Vector128.Narrow(Clip(sum0), Clip(sum1));
            Vector128<short> second = Vector128.Narrow(Clip(sum2), Clip(sum3));
            Vector128.Narrow(first.AsUInt16(), second.AsUInt16()).Store(output + x);
            x = Next(x, 16, rowBytes);
        }
    }

    private static void VerticalAvx2(byte* source, int stride, int top, int rows, int length, int* pairs, int rowBytes, byte* output)
    {
        Vector256<int> half = Vector256.Create(Half);
        for (int x = 0; x < rowBytes;)
        {
            Vector256<int> low0 = default, low1 = default, low2 = default, low3 = default;
            Vector256<int> high0 = default, high1 = default, high2 = default, high3 = default;
            for (int tap = 0; tap < length; tap += 2)
            {
                Vector256<byte> even = Vector256.Load(source + ((long)Row(top + tap, rows) * stride) + x);
                Vector256<byte> odd = Vector256.Load(source + ((long)Row(top + tap + 1, rows) * stride) + x);
                int* four = pairs + (tap & ~3) + ((tap >> 1) & 1);
                Vector256<short> low = Vector256.Create(four[0]).AsInt16();
                Vector256<short> high = Vector256.Create(four[2]).AsInt16();

                // The unpacks work within lanes, and the packs at the end undo exactly that order.
                Vector256<byte> lower = Avx2.UnpackLow(even, odd), upper = Avx2.UnpackHigh(even, odd);
                Vector256<short> columns = Avx2.UnpackLow(lower, Vector256<byte>.Zero).AsInt16();
                low0 += Avx2.MultiplyAddAdjacent(columns, low);
                high0 += Avx2.MultiplyAddAdjacent(columns, high);
                columns = Avx2.UnpackHigh(lower, Vector256<byte>.Zero).AsInt16();
                low1 += Avx2.MultiplyAddAdjacent(columns, low);
                high1 += Avx2.MultiplyAddAdjacent(columns, high);
                columns = Avx2.UnpackLow(upper, Vector256<byte>.Zero).AsInt16();
                low2 += Avx2.MultiplyAddAdjacent(columns, low);
                high2 += Avx2.MultiplyAddAdjacent(columns, high);
                columns = Avx2.UnpackHigh(upper, Vector256<byte>.Zero).AsInt16();
                low3 += Avx2.MultiplyAddAdjacent(columns, low);
                high3 += Avx2.MultiplyAddAdjacent(columns, high);
            }

            Vector256<short> first = Avx2.PackSignedSaturate(Round(low0, high0, half), Round(low1, high1, half));
            Vector256<short> second = Avx2.PackSignedSaturate(Round(low2, high2, half), Round(low3, high3, half));
            Avx2.PackUnsignedSaturate(first, second).Store(output + x);
            x = Next(x, 32, rowBytes);
        }
    }

    private static Vector256<int> Round(Vector256<int> low, Vector256<int> high, Vector256<int> half) =>
        (low + (high << ResamplingWeights.LowBits) + half) >> ResamplingWeights.FractionBits;

    // The last block is moved back to end with the row; it repeats some columns with the same result.
    private static int Next(int x, int block, int length) => x + block == length ? length : Math.Min(x + block, length - block);
}
