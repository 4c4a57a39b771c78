namespace DiffusionClip.Models;

/// <summary>A text encoder and its tokenizer in a diffusion folder.</summary>
public sealed record TextEncoderFolder
{
    /// <summary>Path of the graph in the folder.</summary>
    public required string Graph { get; init; }

    /// <summary>Absolute path of <c>config.json</c>.</summary>
    public required string ConfigPath { get; init; }

    /// <summary>Absolute path of the folder with the tokenizer's files.</summary>
    public required string TokenizerPath { get; init; }

    /// <summary>Width of the embeddings.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>
    /// Tokens of a sequence with start, end and padding: the smaller of the encoder's positions and the tokenizer's limit.
    /// </summary>
    public required int TokenLimit { get; init; }

    /// <summary>Width of the pooled, projected vector; null if the configuration does not say.</summary>
    public int? ProjectionDim { get; init; }

    /// <summary>Layers of the transformer; null if the configuration does not say.</summary>
    public int? NumHiddenLayers { get; init; }

    /// <summary>What layer norms add to the variance.</summary>
    public float LayerNormEpsilon { get; init; } = 1e-5f;

    /// <summary>Entries of the vocabulary; null if the configuration does not say.</summary>
    public int? VocabSize { get; init; }

    internal static TextEncoderFolder Read(ConfigFile config, string graph, string tokenizerPath) =>
        new()
        {
            Graph = graph,
            ConfigPath = config.Path,
            TokenizerPath = tokenizerPath,
            HiddenSize =
                config.Int("hidden_size")
                ?? config.Int("d_model")
                ?? throw config.Missing("hidden_size", "the width of the text embeddings"),
            TokenLimit =
                TokenizerFiles.TokenLimit(config.Int("max_position_embeddings"), tokenizerPath)
                ?? throw config.Missing("max_position_embeddings", "the number of tokens the encoder reads"),
            ProjectionDim = config.Int("projection_dim"),
            NumHiddenLayers = config.Int("num_hidden_layers"),
            VocabSize = config.Int("vocab_size"),
            LayerNormEpsilon = config.Float("layer_norm_eps") ?? 1e-5f,
        };
}
