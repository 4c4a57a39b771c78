using System.Numerics;

namespace DiffusionClip.Denoising;

/// <summary>Sums of scaled samples, what most steps come down to. The destination may be one of the operands.</summary>
internal static class LinearCombination
{
    /// <summary>destination = a·x.</summary>
    public static void Write(Span<float> destination, float a, ReadOnlySpan<float> x) => Elementwise.Apply(destination, x, new One(a));

    /// <summary>destination = a·x + b·y.</summary>
    public static void Write(Span<float> destination, float a, ReadOnlySpan<float> x, float b, ReadOnlySpan<float> y) =>
        Elementwise.Apply(destination, x, y, new Two(a, b));

    /// <summary>destination = a·x + b·y + c·z.</summary>
    public static void Write(
        Span<float> destination,
        float a,
        ReadOnlySpan<float> x,
        float b,
        ReadOnlySpan<float> y,
        float c,
        ReadOnlySpan<float> z) => Elementwise.Apply(destination, x, y, z, new Three(a, b, c));

    /// <summary>destination = a·x + b·y + c·z + e·w.</summary>
    public static void Write(
        Span<float> destination,
        float a,
        ReadOnlySpan<float> x,
        float b,
        ReadOnlySpan<float> y,
        float c,
        ReadOnlySpan<float> z,
        float e,
        ReadOnlySpan<float> w) => Elementwise.Apply(destination, x, y, z, w, new Four(a, b, c, e));

    /// <summary>destination += a·x.</summary>
    public static void Add(Span<float> destination, float a, ReadOnlySpan<float> x) => Write(destination, 1, destination, a, x);

    /// <summary>destination += a·x + b·y.</summary>
    public static void Add(Span<float> destination, float a, ReadOnlySpan<float> x, float b, ReadOnlySpan<float> y) =>
        Write(destination, 1, destination, a, x, b, y);

    private readonly struct One(float a) : IUnaryKernel
    {
        private readonly float _a = a;

        public Vector<float> Invoke(Vector<float> x) => x * _a;
    }

    private readonly struct Two(float a, float b) : IBinaryKernel
    {
        private readonly float _a = a;
        private readonly float _b = b;

        public Vector<float> Invoke(Vector<float> x, Vector<float> y) => (x * _a) + (y * _b);
    }

    private readonly struct Three(float a, float b, float c) : ITernaryKernel
    {
        private readonly float _a = a;
        private readonly float _b = b;
        private readonly float _c = c;

        public Vector<float> Invoke(Vector<float> x, Vector<float> y, Vector<float> z) => (x * _a) + (y * _b) + (z * _c);
    }

    private readonly struct Four(float a, float b, float c, float e) : IQuaternaryKernel
    {
        private readonly float _a = a;
        private readonly float _b = b;
        private readonly float _c = c;
        private readonly float _e = e;

        public Vector<float> Invoke(Vector<float> x, Vector<float> y, Vector<float> z, Vector<float> w) =>
            (x * _a) + (y * _b) + (z * _c) + (w * _e);
    }
}
