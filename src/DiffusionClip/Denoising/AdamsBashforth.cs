using System.Numerics;

namespace DiffusionClip.Denoising;

/// <summary>The linear multistep formulas of PNDM (Liu et al. 2022, equation 9), of as many orders as there are outputs.</summary>
internal static class AdamsBashforth
{
    /// <summary>Writes the combination of the remembered outputs, up to four.</summary>
    public static void Write(Span<float> destination, SchedulerMemory memory)
    {
        switch (memory.Count)
        {
            case 1:
                memory.History(0).CopyTo(destination);
                break;
            case 2:
                Elementwise.Apply(destination, memory.History(0), memory.History(1), default(Second));
                break;
            case 3:
                Elementwise.Apply(destination, memory.History(0), memory.History(1), memory.History(2), default(Third));
                break;
            default:
                Elementwise.Apply(destination, memory.History(0), memory.History(1), memory.History(2), memory.History(3), default(Fourth));
                break;
        }
    }

    private readonly struct Second : IBinaryKernel
    {
        public Vector<float> Invoke(Vector<float> x, Vector<float> y) => ((x * 3) - y) * 0.5f;
    }

    private readonly struct Third : ITernaryKernel
    {
        public Vector<float> Invoke(Vector<float> x, Vector<float> y, Vector<float> z) =>
            ((x * 23) - (y * 16) + (z * 5)) / new Vector<float>(12);
    }

    private readonly struct Fourth : IQuaternaryKernel
    {
        public Vector<float> Invoke(Vector<float> x, Vector<float> y, Vector<float> z, Vector<float> w) =>
            ((x * 55) - (y * 59) + (z * 37) - (w * 9)) * (1f / 24);
    }
}
