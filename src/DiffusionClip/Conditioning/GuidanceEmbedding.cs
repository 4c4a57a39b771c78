using DiffusionClip.Models;

namespace DiffusionClip.Conditioning;

/// <summary>
/// The guidance scale as an input of the denoiser (<c>timestep_cond</c>), for models distilled from guided ones: the sinusoidal
/// features of w = scale - 1 (Luo et al. 2023, section 4.2; Meng et al. 2023; diffusers' <c>get_guidance_scale_embedding</c>).
/// </summary>
internal static class GuidanceEmbedding
{
    private const float TimeScale = 1000;
    private const float MaxPeriod = 10_000;

    /// <summary>The embedding: the sines of 1000·w at falling frequencies, then their cosines.</summary>
    /// <param name="guidanceScale">The guidance scale.</param>
    /// <param name="dim">Width, at least 4; an odd one ends with 0.</param>
    public static float[] Of(float guidanceScale, int dim)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dim, 4);
        float[] embedding = new float[dim];
        int half = dim / 2;
        float w = (guidanceScale - 1) * TimeScale;
        float fall = MathF.Log(MaxPeriod) / (half - 1);
        for (int i = 0; i < half; i++)
        {
            float phase = w * MathF.Exp(i * -fall);
            embedding[i] = MathF.Sin(phase);
            embedding[half + i] = MathF.Cos(phase);
        }

        return embedding;
    }

    /// <summary>The embedding that a folder's denoiser takes; empty if it takes none.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="guidanceScale">The guidance scale.</param>
    public static ReadOnlyMemory<float> For(GeneratorFolder folder, float guidanceScale)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return folder.Denoiser.TimeCondProjDim switch
        {
            null => default,
            >= 4 and int dim => Of(guidanceScale, dim),
            int dim => throw new ModelFolderException(folder.Denoiser.ConfigPath, $"time_cond_proj_dim is {dim}; expected 4 or more"),
        };
    }
}
