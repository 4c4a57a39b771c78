namespace DiffusionClip.Noise;

/// <summary>The Mersenne twister (Matsumoto and Nishimura 1998), seeded as std::mt19937 and torch seed it: with 32 bits.</summary>
internal sealed class Mt19937
{
    private const int Length = 624;
    private const int Middle = 397;
    private readonly uint[] _state = new uint[Length];
    private int _next = Length;

    public Mt19937(uint seed)
    {
        _state[0] = seed;
        for (int i = 1; i < Length; i++)
        {
            uint previous = _state[i - 1];
            _state[i] = 1812433253u * (previous ^ (previous >> 30)) + (uint)i;
        }
    }

    private Mt19937(ReadOnlySpan<uint> state, int next)
    {
        state.CopyTo(_state);
        _next = next;
    }

    public Mt19937 Clone() => new(_state, _next);

    /// <summary>32 random bits.</summary>
    public uint Next()
    {
        if (_next == Length)
        {
            Twist();
        }

        uint y = _state[_next++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9D2C5680u;
        y ^= (y << 15) & 0xEFC60000u;
        return y ^ (y >> 18);
    }

    /// <summary>64 random bits; the first word drawn is the upper half.</summary>
    public ulong Next64()
    {
        ulong upper = Next();
        return (upper << 32) | Next();
    }

    public void Write(BinaryWriter writer)
    {
        foreach (uint word in _state)
        {
            writer.Write(word);
        }

        writer.Write((ushort)_next);
    }

    public static Mt19937 Read(BinaryReader reader)
    {
        Span<uint> state = stackalloc uint[Length];
        foreach (ref uint word in state)
        {
            word = reader.ReadUInt32();
        }

        int next = reader.ReadUInt16();
        return next <= Length
            ? new(state, next)
            : throw new InvalidDataException($"Noise stream: position {next} lies outside the {Length} words of mt19937.");
    }

    private void Twist()
    {
        uint[] s = _state;
        int i = 0;
        for (; i < Length - Middle; i++)
        {
            s[i] = s[i + Middle] ^ Mix(s[i], s[i + 1]);
        }

        for (; i < Length - 1; i++)
        {
            s[i] = s[i + Middle - Length] ^ Mix(s[i], s[i + 1]);
        }

        s[i] = s[Middle - 1] ^ Mix(s[i], s[0]);
        _next = 0;

        // The lowest bit as a mask instead of a branch that fails every other time.
        static uint Mix(uint upper, uint lower) =>
            (((upper & 0x80000000u) | (lower & 0x7FFFFFFFu)) >> 1) ^ ((uint)-(int)(lower & 1) & 0x9908B0DFu);
    }
}
