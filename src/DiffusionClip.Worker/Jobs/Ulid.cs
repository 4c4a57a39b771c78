using System.Buffers.Binary;
using System.Security.Cryptography;

namespace DiffusionClip.Worker.Jobs;

/// <summary>
/// Makes ids of 26 characters that sort by time: 48 bits of milliseconds, 80 random bits (github.com/ulid/spec, Crockford's base 32).
/// Within a source each id is above the one before, also when the clock goes back. Thread-safe.
/// </summary>
internal sealed class UlidSource(TimeProvider time)
{
    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    private const int Length = 26;

    private readonly Lock _gate = new();
    private UInt128 _last;

    /// <summary>Whether a text has the form of an id.</summary>
    public static bool IsId(string? text) => text is { Length: Length } && text[0] <= '7' && text.All(Alphabet.Contains);

    /// <summary>Goes on above an id that was given out before.</summary>
    public void StartAbove(string id)
    {
        UInt128 value = 0;
        foreach (char c in id)
        {
            value = (value << 5) | (uint)Alphabet.IndexOf(c, StringComparison.Ordinal);
        }

        lock (_gate)
        {
            _last = UInt128.Max(_last, value);
        }
    }

    /// <summary>The next id.</summary>
    public string Next()
    {
        Span<byte> random = stackalloc byte[16];
        RandomNumberGenerator.Fill(random[6..]);
        UInt128 value = BinaryPrimitives.ReadUInt128BigEndian(random) | ((UInt128)(ulong)time.GetUtcNow().ToUnixTimeMilliseconds() << 80);
        lock (_gate)
        {
            // Within a millisecond, and after a clock that went back, ids count on.
            if (value <= _last)
            {
                value = _last + 1;
            }

            _last = value;
        }

        return string.Create(Length, value, static (text, rest) =>
        {
            for (int i = text.Length - 1; i >= 0; i--)
            {
                text[i] = Alphabet[(int)(rest & 31)];
                rest >>= 5;
            }
        });
    }
}
