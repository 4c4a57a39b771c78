using DiffusionClip.Denoising;

namespace DiffusionClip.Conditioning.Prompts;

/// <summary>
/// At which evaluation each step begins: prompts are edited by steps, schedules run by evaluations, and a step of Heun has two.
/// Steps count in the whole schedule, so an edit comes at the same noise level where denoising starts from a picture.
/// </summary>
public sealed class PromptSteps
{
    private readonly int[] _begins;

    private PromptSteps(int[] begins) => _begins = begins;

    /// <summary>Number of steps.</summary>
    public int Count => _begins.Length - 1;

    /// <summary>Steps of one evaluation each.</summary>
    /// <param name="count">How many, from 1.</param>
    public static PromptSteps OfOneEvaluation(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return new([.. Enumerable.Range(0, count + 1)]);
    }

    /// <summary>The steps of a schedule.</summary>
    /// <param name="scheduler">The schedule.</param>
    /// <param name="numInferenceSteps">The steps it was asked for, from 1.</param>
    public static PromptSteps Of(IScheduler scheduler, int numInferenceSteps)
    {
        ArgumentNullException.ThrowIfNull(scheduler);
        if (scheduler.Evaluations == numInferenceSteps)
        {
            return OfOneEvaluation(numInferenceSteps);
        }

        // Steps of several evaluations begin at boundaries. A schedule that made more or fewer of them is shared out evenly.
        ArgumentOutOfRangeException.ThrowIfLessThan(numInferenceSteps, 1);
        int[] boundaries = [.. Enumerable.Range(0, scheduler.Evaluations).Where(scheduler.IsBoundary)];
        int[] begins = new int[numInferenceSteps + 1];
        for (int step = 0; step < numInferenceSteps; step++)
        {
            begins[step] = boundaries[(int)((long)step * boundaries.Length / numInferenceSteps)];
        }

        begins[numInferenceSteps] = scheduler.Evaluations;
        return new(begins);
    }

    /// <summary>The evaluation at which a step begins; for <see cref="Count"/> the number of evaluations.</summary>
    /// <param name="step">The step, from 0.</param>
    public int Begin(int step) => _begins[step];
}
