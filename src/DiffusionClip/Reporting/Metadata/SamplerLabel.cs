using System.Text.Json;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>A scheduler in the words of A1111, which other programs read.</summary>
/// <param name="Sampler">The label, e.g. <c>DPM++ 2M</c>; a scheduler without one keeps its name.</param>
/// <param name="ScheduleType">The noise schedule, e.g. <c>Karras</c>; null where A1111's <c>Automatic</c> means the same.</param>
public readonly record struct SamplerLabel(string Sampler, string? ScheduleType)
{
    /// <summary>The label of a scheduler of diffusers, after the table that its documentation gives.</summary>
    /// <param name="scheduler">Class name (<c>EulerDiscreteScheduler</c>); an A1111 label is taken apart (<c>DPM++ 2M Karras</c>).</param>
    /// <param name="options">Its configuration, or the part of it that was set: <c>use_karras_sigmas</c>, <c>algorithm_type</c> and so on.</param>
    public static SamplerLabel Of(string scheduler, IReadOnlyDictionary<string, JsonElement>? options = null)
    {
        ArgumentNullException.ThrowIfNull(scheduler);
        bool Is(string name) => options is not null && options.TryGetValue(name, out JsonElement value) && value.ValueKind == JsonValueKind.True;
        string? Text(string name) => options is not null && options.TryGetValue(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        bool thirdOrder = options is not null && options.TryGetValue("solver_order", out JsonElement order) && order.ValueKind == JsonValueKind.Number && order.GetDouble() == 3;
        bool stochastic = Text("algorithm_type")?.StartsWith("sde-", StringComparison.Ordinal) ?? false;

        // Of the samplers with sigmas, the second word says what Automatic stands for.
        (string? label, string? automatic) = scheduler switch
        {
            "EulerDiscreteScheduler" or "FlowMatchEulerDiscreteScheduler" => ("Euler", "Uniform"),
            "EulerAncestralDiscreteScheduler" => ("Euler a", "Uniform"),
            "LMSDiscreteScheduler" => ("LMS", "Uniform"),
            "HeunDiscreteScheduler" => ("Heun", "Uniform"),
            "KDPM2DiscreteScheduler" => ("DPM2", "Karras"),
            "KDPM2AncestralDiscreteScheduler" => ("DPM2 a", "Karras"),
            "DPMSolverMultistepScheduler" when stochastic => (thirdOrder ? "DPM++ 3M SDE" : "DPM++ 2M SDE", "Exponential"),
            "DPMSolverMultistepScheduler" => ("DPM++ 2M", "Karras"),
            "DPMSolverSinglestepScheduler" or "DPMSolverSDEScheduler" => ("DPM++ SDE", "Karras"),
            "DEISMultistepScheduler" => ("DEIS", "Uniform"),
            "IPNDMScheduler" => ("IPNDM", "Uniform"),
            "DDIMScheduler" => ("DDIM", null),
            "PNDMScheduler" => ("PLMS", null),
            "UniPCMultistepScheduler" => ("UniPC", null),
            "LCMScheduler" => ("LCM", null),
            "TCDScheduler" => ("TCD", null),
            _ => ((string?)null, (string?)null),
        };
        if (label is null)
        {
            (string? sampler, string? schedule) = A1111Metadata.SplitSampler(scheduler);
            return new(sampler!, schedule);
        }

        string? type = Is("use_karras_sigmas") ? "Karras"
            : Is("use_exponential_sigmas") ? "Exponential"
            : Is("use_beta_sigmas") ? "Beta"
            : Text("timestep_spacing") == "trailing" ? "SGM Uniform"
            : "Uniform";
        return new(label, automatic is null || (type == automatic && type == "Uniform") ? null : type);
    }
}
