using DiffusionClip.Scoring;

namespace DiffusionClip.Models;

/// <summary>
/// A CLIP folder: <c>onnx/text_model.onnx</c> and <c>onnx/vision_model.onnx</c> (transformers.js, optimum), one joint <c>onnx/model.onnx</c> or
/// <c>model.onnx</c>, <c>textual/model.onnx</c> and <c>visual/model.onnx</c> (immich), or <c>textual.onnx</c> and <c>visual.onnx</c> (clip-as-service).
/// </summary>
public sealed class ClipFolder : ModelFolder
{
    // What transformers.js appends for other precisions; the plain name goes first.
    private static readonly string[] Suffixes = ["", "_fp16", "_quantized", "_int8", "_uint8", "_q4", "_q4f16", "_bnb4"];

    private readonly string[] _configurations;

    private ClipFolder(string path, ModelManifest? manifest) : base(path, ModelKind.Clip, manifest)
    {
        (TextGraph, ImageGraph) = FindLayout(path) ?? throw new ModelFolderException(
            path,
            "no model; expected a model_index.json (diffusion), or onnx/text_model.onnx and onnx/vision_model.onnx, onnx/model.onnx, model.onnx, textual/model.onnx and visual/model.onnx, or textual.onnx and visual.onnx (CLIP)");
        ModelFile.CheckGraph(PathOf(TextGraph));
        ModelFile.CheckGraph(PathOf(ImageGraph));

        var configurations = new List<string>();
        var config = ConfigFile.Read(PathOf("config.json"));
        configurations.Add("config.json");
        ConfigFile? text = config.Object("text_config") ?? config.Object("text_cfg");
        ConfigFile? vision = config.Object("vision_config") ?? config.Object("vision_cfg");

        string tokenizer = new[] { "", "tokenizer", "textual" }.FirstOrDefault(
            folder => File.Exists(PathOf(Join(folder, "vocab.json"))) || File.Exists(PathOf(Join(folder, "tokenizer.json")))) ?? "";
        configurations.AddRange(TokenizerFiles(path, tokenizer));
        TokenizerPath = tokenizer.Length == 0 ? path : PathOf(tokenizer);
        TokenLimit = TextEncoderFolder.ReadTokenLimit(text?.Int("max_position_embeddings") ?? text?.Int("context_length"), TokenizerPath)
            ?? throw config.Missing("text_config.max_position_embeddings", "the number of tokens the text tower reads");

        Preprocessing = ClipPreprocessing.ReadFolder(path, vision?.Int("image_size"));
        configurations.AddRange(ClipPreprocessing.FileNames.Where(name => File.Exists(PathOf(name))).Take(1));
        EmbedDim = config.Int("projection_dim") ?? config.Int("embed_dim");
        LogitScale = config.Float("logit_scale") ?? (config.Float("logit_scale_init_value") is { } logarithm ? MathF.Exp(logarithm) : null);
        VocabSize = text?.Int("vocab_size");
        _configurations = [.. configurations];
    }

    /// <summary>Path of the text tower's graph in the folder; the same as <see cref="ImageGraph"/> if one graph holds both.</summary>
    public string TextGraph { get; }

    /// <summary>Path of the image tower's graph in the folder.</summary>
    public string ImageGraph { get; }

    /// <summary>Whether one graph holds both towers.</summary>
    public bool IsJoint => TextGraph == ImageGraph;

    /// <summary>Absolute path of the folder with the tokenizer's files.</summary>
    public string TokenizerPath { get; }

    /// <summary>Tokens of a text with start, end and padding.</summary>
    public int TokenLimit { get; }

    /// <summary>How pictures are prepared.</summary>
    public ClipPreprocessing Preprocessing { get; }

    /// <summary>Width of the embeddings; null if the configuration does not say.</summary>
    public int? EmbedDim { get; }

    /// <summary>Factor of the cosine in the model's logits (not its logarithm); null if the configuration does not say.</summary>
    public float? LogitScale { get; }

    /// <summary>Entries of the vocabulary; null if the configuration does not say.</summary>
    public int? VocabSize { get; }

    internal override IEnumerable<string> Graphs => IsJoint ? [TextGraph] : [TextGraph, ImageGraph];

    internal override IEnumerable<string> Configurations => _configurations;

    /// <summary>Opens a CLIP folder.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="ModelFolderException">The folder is missing, incomplete or damaged; names the file.</exception>
    public static new ClipFolder Open(string path) => ModelFolder.Open(path) as ClipFolder
        ?? throw new ModelFolderException(path, "a generator; expected a CLIP model");

    internal static ClipFolder Read(string path, ModelManifest? manifest) => new(path, manifest);

    /// <summary>The two graphs of the first layout that fits; a half-present layout counts, so that the error names the missing half.</summary>
    internal static (string Text, string Image)? FindLayout(string path)
    {
        bool Has(string name) => File.Exists(System.IO.Path.Combine(path, name));
        foreach (string folder in new[] { "onnx", "" })
        {
            foreach (string suffix in Suffixes)
            {
                (string text, string image) = (Join(folder, $"text_model{suffix}.onnx"), Join(folder, $"vision_model{suffix}.onnx"));
                if (Has(text) && Has(image))
                {
                    return (text, image);
                }
            }
        }

        (string Text, string Image)[] others = [("textual/model.onnx", "visual/model.onnx"), ("textual.onnx", "visual.onnx")];
        foreach ((string Text, string Image) pair in others)
        {
            if (Has(pair.Text) && Has(pair.Image))
            {
                return pair;
            }
        }

        foreach (string folder in new[] { "onnx", "" })
        {
            foreach (string suffix in Suffixes)
            {
                string joint = Join(folder, $"model{suffix}.onnx");
                if (Has(joint))
                {
                    return (joint, joint);
                }
            }
        }

        foreach ((string Text, string Image) pair in others.Prepend(("onnx/text_model.onnx", "onnx/vision_model.onnx")))
        {
            if (Has(pair.Text) || Has(pair.Image))
            {
                return pair;
            }
        }

        return null;
    }

    private static string Join(string folder, string name) => folder.Length == 0 ? name : $"{folder}/{name}";
}
