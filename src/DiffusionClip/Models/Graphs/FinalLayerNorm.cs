namespace DiffusionClip.Models.Graphs;

/// <summary>The layer norm that ends a text encoder, read from its graph without a runtime.</summary>
public static class FinalLayerNorm
{
    /// <summary>
    /// Reads weight and bias: of the LayerNormalization node that gives the output, or of the multiplication and addition at its end
    /// in graphs of older operator sets; else of the initializers that are named so.
    /// </summary>
    /// <param name="path">The graph; what its external data may be was checked when the model was loaded.</param>
    /// <param name="output">The output's name.</param>
    /// <exception cref="ModelFolderException">The graph has none that can be recognized.</exception>
    public static (float[] Weight, float[] Bias) Read(string path, string output) => OnnxLayerNorm.ReadFinal(path, output);
}
