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
                LinearCombination.Write(destination, 3f / 2, memory.History(0), -1f / 2, memory.History(1));
                break;
            case 3:
                LinearCombination.Write(destination, 23f / 12, memory.History(0), -16f / 12, memory.History(1), 5f / 12, memory.History(2));
                break;
            default:
                LinearCombination.Write(
                    destination, 55f / 24, memory.History(0), -59f / 24, memory.History(1), 37f / 24, memory.History(2), -9f / 24, memory.History(3));
                break;
        }
    }
}
