using System.Runtime.Intrinsics;

namespace DiffusionClip.Imaging.Png;

/// <summary>The five row filters of PNG (specification, chapter 9), undone and applied.</summary>
internal static class PngFilter
{
    /// <summary>Number of filter types.</summary>
    public const int Count = 5;

    /// <summary>Undoes a filter in place.</summary>
    /// <param name="type">0 none, 1 sub, 2 up, 3 average, 4 Paeth.</param>
    /// <param name="row">The filtered bytes of a row; becomes the row.</param>
    /// <param name="above">The row above, zeros for the first.</param>
    /// <param name="step">Bytes per pixel, at least 1.</param>
    /// <returns>False if there is no such type.</returns>
    public static bool Undo(int type, Span<byte> row, ReadOnlySpan<byte> above, int step)
    {
        switch (type)
        {
            case 0:
                return true;
            case 1:
                for (int i = step; i < row.Length; i++)
                {
                    row[i] += row[i - step];
                }

                return true;
            case 2:
                UndoUp(row, above);
                return true;
            case 3:
                for (int i = 0; i < row.Length; i++)
                {
                    row[i] += (byte)(((i < step ? 0 : row[i - step]) + above[i]) >> 1);
                }

                return true;
            case 4:
                UndoPaeth(row, above, step);
                return true;
            default:
                return false;
        }
    }

    /// <summary>
    /// Applies a filter and adds up how large its residuals are as signed bytes: the usual measure of which filter will compress best.
    /// </summary>
    /// <param name="type">0 to 4.</param>
    /// <param name="row">The row.</param>
    /// <param name="above">The row above, zeros for the first.</param>
    /// <param name="step">Bytes per pixel.</param>
    /// <param name="filtered">Receives the residuals.</param>
    public static long Apply(int type, ReadOnlySpan<byte> row, ReadOnlySpan<byte> above, int step, Span<byte> filtered)
    {
        int i = 0;
        for (; i < step; i++)
        {
            filtered[i] = (byte)(row[i] - Predict(type, 0, above[i], 0));
        }

        for (; i <= row.Length - Vector128<byte>.Count; i += Vector128<byte>.Count)
        {
            Vector128<byte> left = Vector128.Create(row[(i - step)..]);
            Vector128<byte> up = Vector128.Create(above[i..]);
            Vector128<byte> prediction = type switch
            {
                0 => Vector128<byte>.Zero,
                1 => left,
                2 => up,
                3 => Average(left, up),
                _ => Paeth(left, up, Vector128.Create(above[(i - step)..])),
            };
            (Vector128.Create(row[i..]) - prediction).CopyTo(filtered[i..]);
        }

        for (; i < row.Length; i++)
        {
            filtered[i] = (byte)(row[i] - Predict(type, row[i - step], above[i], above[i - step]));
        }

        return Magnitude(filtered[..row.Length]);
    }

    private static int Predict(int type, int left, int up, int upLeft) => type switch
    {
        0 => 0,
        1 => left,
        2 => up,
        3 => (left + up) >> 1,
        _ => Paeth(left, up, upLeft),
    };

    private static int Paeth(int left, int up, int upLeft)
    {
        int towardsLeft = Math.Abs(up - upLeft), towardsUp = Math.Abs(left - upLeft), towardsUpLeft = Math.Abs(left + up - (2 * upLeft));
        return towardsLeft <= towardsUp && towardsLeft <= towardsUpLeft ? left : towardsUp <= towardsUpLeft ? up : upLeft;
    }

    private static Vector128<byte> Average(Vector128<byte> a, Vector128<byte> b) =>
        (a & b) + (((a ^ b) >> 1) & Vector128.Create((byte)0x7F));

    private static Vector128<byte> Paeth(Vector128<byte> left, Vector128<byte> up, Vector128<byte> upLeft)
    {
        (Vector128<ushort> leftLow, Vector128<ushort> leftHigh) = Vector128.Widen(left);
        (Vector128<ushort> upLow, Vector128<ushort> upHigh) = Vector128.Widen(up);
        (Vector128<ushort> cornerLow, Vector128<ushort> cornerHigh) = Vector128.Widen(upLeft);
        return Vector128.Narrow(
            Paeth(leftLow.AsInt16(), upLow.AsInt16(), cornerLow.AsInt16()).AsUInt16(),
            Paeth(leftHigh.AsInt16(), upHigh.AsInt16(), cornerHigh.AsInt16()).AsUInt16());
    }

    private static Vector128<short> Paeth(Vector128<short> left, Vector128<short> up, Vector128<short> upLeft)
    {
        Vector128<short> alongUp = up - upLeft,
            alongLeft = left - upLeft;
        Vector128<short> towardsLeft = Vector128.Abs(alongUp),
            towardsUp = Vector128.Abs(alongLeft),
            towardsUpLeft = Vector128.Abs(alongUp + alongLeft);
        Vector128<short> nearest = Vector128.Min(towardsLeft, Vector128.Min(towardsUp, towardsUpLeft));
        Vector128<short> upOrCorner = Vector128.ConditionalSelect(Vector128.Equals(towardsUp, nearest), up, upLeft);
        return Vector128.ConditionalSelect(Vector128.Equals(towardsLeft, nearest), left, upOrCorner);
    }

    private static long Magnitude(ReadOnlySpan<byte> residuals)
    {
        long sum = 0;
        int i = 0;
        while (i <= residuals.Length - Vector128<byte>.Count)
        {
            // 128 blocks of at most 2 × 128 per lane stay below 2^16.
            Vector128<ushort> block = Vector128<ushort>.Zero;
            int end = Math.Min(residuals.Length - Vector128<byte>.Count, i + (128 * Vector128<byte>.Count));
            for (; i <= end; i += Vector128<byte>.Count)
            {
                Vector128<sbyte> signed = Vector128.Create(residuals[i..]).AsSByte();
                (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Abs(signed).AsByte());
                block += low + high;
            }

            (Vector128<uint> first, Vector128<uint> second) = Vector128.Widen(block);
            sum += Vector128.Sum(first + second);
        }

        for (; i < residuals.Length; i++)
        {
            sum += Math.Abs((int)(sbyte)residuals[i]);
        }

        return sum;
    }

    private static void UndoUp(Span<byte> row, ReadOnlySpan<byte> above)
    {
        int i = 0;
        for (; i <= row.Length - Vector128<byte>.Count; i += Vector128<byte>.Count)
        {
            (Vector128.Create(row[i..]) + Vector128.Create(above[i..])).CopyTo(row[i..]);
        }

        for (; i < row.Length; i++)
        {
            row[i] += above[i];
        }
    }

    private static void UndoPaeth(Span<byte> row, ReadOnlySpan<byte> above, int step)
    {
        int start = Math.Min(step, row.Length);
        for (int i = 0; i < start; i++)
        {
            row[i] += above[i];
        }

        if (step == 3 && Vector128.IsHardwareAccelerated)
        {
            UndoPaethRgb(row, above);
            return;
        }

        for (int i = step; i < row.Length; i++)
        {
            row[i] += (byte)Paeth(row[i - step], above[i], above[i - step]);
        }
    }

    // Each pixel waits for the one before it; its three channels go together.
    private static unsafe void UndoPaethRgb(Span<byte> row, ReadOnlySpan<byte> above)
    {
        fixed (byte* to = row, up = above)
        {
            int i = 3;
            if (row.Length >= 7)
            {
                Vector128<short> left = Load(to), corner = Load(up);
                for (; i <= row.Length - 4; i += 3)
                {
                    Vector128<short> over = Load(up + i);
                    Vector128<short> sum = (Load(to + i) + Paeth(left, over, corner)) & Vector128.Create((short)0xFF);
                    uint pixel = Vector128.Narrow(sum.AsUInt16(), sum.AsUInt16()).AsUInt32().ToScalar();
                    *(ushort*)(to + i) = (ushort)pixel;
                    to[i + 2] = (byte)(pixel >> 16);
                    left = sum;
                    corner = over;
                }
            }

            for (; i < row.Length; i++)
            {
                to[i] += (byte)Paeth(to[i - 3], up[i], up[i - 3]);
            }
        }

        static Vector128<short> Load(byte* pixel) => Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(uint*)pixel).AsByte()).AsInt16();
    }
}
