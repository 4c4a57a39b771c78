
namespace DiffusionClip.Models;

/// <summary>
/// A CLIP folder: <c>onnx/text_model.onnx</c> and <c>onnx/vision_model.onnx</c> (transformers.js, optimum), one joint
/// <c>onnx/model.onnx</c> or <c>model.onnx</c>, <c>textual/model.onnx</c> and <c>visual/model.onnx</c> (immich), or <c>textual.onnx</c> and
/// <c>visual.onnx</c> (clip-as-service).
/// </summary>
public sealed class ClipFolder : ModelFolder
{
    // What transformers.js appends for other precisions; the plain name goes first.
    private static readonly string[] Suffixes = ["", "_fp16", "_quantized", "_int8", "_uint8", "_q4", "_q4f16", "_bnb4"];

    // CLIP is trained with its logit scale clipped at 100, which every published one has reached (Radford et al. 2021, section 2.5); what
    // configurations repeat as logit_scale_init_value is ln(1/0.07), where training began.
    private const float TrainedLogitScale = 100;
    private const float InitialLogitScale = 2.6592f;

    private const int DefaultTokenLimit = 77;

    internal const string Layouts =
        "onnx/text_model.onnx and onnx/vision_model.onnx, onnx/model.onnx, model.onnx, textual/model.onnx and visual/model.onnx, "
        + "or textual.onnx and visual.onnx (CLIP)";

    private readonly string[] _configurations;

    internal ClipFolder(ModelLocation location) : base(location, ModelKind.Clip)
    {
        (string path, string? variant) = (Path, location.Variant);
        (TextGraph, ImageGraph) = FindLayout(path, variant) ?? throw NoLayout(path, variant);
        Variant = variant;
        ModelFile.CheckGraph(PathOf(TextGraph));
        ModelFile.CheckGraph(PathOf(ImageGraph));
        JointGraph = IsJoint ? TextGraph : FindJoint(path, SuffixOf(TextGraph)) ?? FindJoint(path, "");

        var configurations = new List<string>();
        ConfigFile config = ReadConfig(configurations);
        ConfigFile? text = config.Object("text_config") ?? config.Object("text_cfg");
        ConfigFile? vision = config.Object("vision_config") ?? config.Object("vision_cfg");

        string tokenizer =
            new[] { "", "tokenizer", "textual" }.FirstOrDefault(folder =>
                new[] { "vocab.json", "tokenizer.json", TokenizerFiles.SentencePiece }.Any(name =>
                    File.Exists(PathOf(Join(folder, name))))
            ) ?? "";
        Family =
            config.String("model_type")?.StartsWith("siglip", StringComparison.Ordinal) == true
            || (File.Exists(PathOf(Join(tokenizer, TokenizerFiles.SentencePiece))) && !File.Exists(PathOf(Join(tokenizer, "vocab.json"))))
                ? ClipFamily.Siglip
                : ClipFamily.Clip;
        configurations.AddRange(TokenizerFiles.Find(path, tokenizer, Family == ClipFamily.Siglip));
        TokenizerPath = tokenizer.Length == 0 ? path : PathOf(tokenizer);
        TokenLimit = TokenizerFiles.TokenLimit(text?.Int("max_position_embeddings") ?? text?.Int("context_length"), TokenizerPath)
            ?? GraphFile(TextGraph).FixedSize(rank: 2, axis: 1) ?? DefaultTokenLimit;

        Preprocessing = ClipPreprocessing.ReadFolder(path, vision?.Int("image_size") ?? GraphFile(ImageGraph).FixedSize(rank: 4, axis: 2));
        configurations.AddRange(ClipPreprocessing.FileNames.Where(name => File.Exists(PathOf(name))).Take(1));
        EmbedDim = config.Int("projection_dim") ?? config.Int("embed_dim");
        LogitScale = config.Float("logit_scale");
        LogitBias = config.Float("logit_bias");
        InitialScale = config.Float("logit_scale_init_value");
        VocabSize = text?.Int("vocab_size");
        _configurations = [.. configurations];
    }

    /// <summary>Whether its scores are cosines or probabilities.</summary>
    public ClipFamily Family { get; }

    /// <summary>
    /// Which precision of several was asked for, as its files are called, e.g. <c>q4f16</c>; null: the plain one, else the first there is.
    /// </summary>
    public string? Variant { get; }

    /// <summary>The precisions there are, as <see cref="Variant"/> takes them; empty for the plain one.</summary>
    public IReadOnlyList<string> Variants => [.. FindVariants(Path)];

    /// <summary>Path of the text tower's graph in the folder; the same as <see cref="ImageGraph"/> if one graph holds both.</summary>
    public string TextGraph { get; }

    /// <summary>Path of the image tower's graph in the folder.</summary>
    public string ImageGraph { get; }

    /// <summary>Path of a graph that holds both towers and gives logits; null if the folder has none.</summary>
    public string? JointGraph { get; }

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

    /// <summary>What a SigLIP adds to the scaled cosine; null if the configuration does not say.</summary>
    public float? LogitBias { get; }

    /// <summary>Entries of the vocabulary; null if the configuration does not say.</summary>
    public int? VocabSize { get; }

    /// <summary>
    /// How the model makes logits of cosines, as far as its configuration says it; where a SigLIP's does not, null. A CLIP whose
    /// configuration gives nothing but the value that training began with counts as trained to 100.
    /// </summary>
    public ClipLogits? Logits =>
        Family == ClipFamily.Siglip
            ? LogitScale is { } scale && LogitBias is { } bias
                ? new(scale, bias)
                : null
            : new(
                LogitScale
                    ?? (
                        InitialScale is { } logarithm && MathF.Abs(logarithm - InitialLogitScale) > 1e-3f
                            ? MathF.Exp(logarithm)
                            : TrainedLogitScale),
                LogitBias ?? 0);

    private float? InitialScale { get; }

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Graphs =>
        IsJoint ? [TextGraph]
        : NeedsJointGraph ? [TextGraph, ImageGraph, JointGraph!]
        : [TextGraph, ImageGraph];

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Configurations => _configurations;

    /// <summary>
    /// Whether the logits have to be measured with <see cref="JointGraph"/>, because the configuration does not say them.
    /// </summary>
    public bool NeedsJointGraph => Logits is null && JointGraph is not null;

    /// <summary>Opens a CLIP folder.</summary>
    /// <param name="path">The folder, and after a <c>#</c> the precision if it holds several, e.g. <c>models/clip#q4f16</c>.</param>
    /// <exception cref="ModelFolderException">The folder is missing, incomplete or damaged; names the file.</exception>
    public static ClipFolder Open(string path) => new ModelFormats([new ClipFormat()]).Open<ClipFolder>(path, "a CLIP model");

    /// <summary>
    /// The two graphs of the first layout that fits; a half-present layout counts, so that the error names the missing half.
    /// </summary>
    internal static (string Text, string Image)? FindLayout(string path, string? variant = null)
    {
        bool Has(string name) => File.Exists(System.IO.Path.Combine(path, name));
        string[] suffixes = variant is null ? Suffixes : [variant.Length == 0 ? "" : $"_{variant}"];
        foreach (string folder in new[] { "onnx", "" })
        {
            foreach (string suffix in suffixes)
            {
                (string text, string image) = (Join(folder, $"text_model{suffix}.onnx"), Join(folder, $"vision_model{suffix}.onnx"));
                if (Has(text) && Has(image))
                {
                    return (text, image);
                }
            }
        }

        var others = new List<(string Text, string Image)>();
        foreach (string suffix in suffixes)
        {
            others.Add(($"textual/model{suffix}.onnx", $"visual/model{suffix}.onnx"));
            others.Add(($"textual{suffix}.onnx", $"visual{suffix}.onnx"));
        }

        foreach ((string Text, string Image) pair in others)
        {
            if (Has(pair.Text) && Has(pair.Image))
            {
                return pair;
            }
        }

        foreach (string suffix in suffixes)
        {
            if (FindJoint(path, suffix) is { } joint)
            {
                return (joint, joint);
            }
        }

        foreach (
            (string Text, string Image) pair in others.Prepend(
                ($"onnx/text_model{suffixes[0]}.onnx", $"onnx/vision_model{suffixes[0]}.onnx")))
        {
            if (Has(pair.Text) || Has(pair.Image))
            {
                return pair;
            }
        }

        return null;
    }

    private static string? FindJoint(string path, string suffix) => new[] { "onnx", "" }
        .Select(folder => Join(folder, $"model{suffix}.onnx"))
        .FirstOrDefault(name => File.Exists(System.IO.Path.Combine(path, name)));

    // What follows the name of a graph, e.g. _q4f16.
    private static string SuffixOf(string graph)
    {
        string name = System.IO.Path.GetFileNameWithoutExtension(graph);
        return new[] { "text_model", "textual", "model" }
            .Where(stem => name.StartsWith(stem, StringComparison.Ordinal))
            .Select(stem => name[stem.Length..])
            .FirstOrDefault("");
    }

    private static IEnumerable<string> FindVariants(string path) =>
        new[] { "onnx", "", "textual" }
            .Select(folder => System.IO.Path.Combine(path, folder))
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.onnx"))
            .Select(SuffixOf)
            .Select(suffix => suffix.TrimStart('_'))
            .Distinct(StringComparer.Ordinal)
            .Where(variant =>
                FindLayout(path, variant) is { } layout
                && File.Exists(System.IO.Path.Combine(path, layout.Text))
                && File.Exists(System.IO.Path.Combine(path, layout.Image)))
            .Order(StringComparer.Ordinal);

    private static ModelFolderException NoLayout(string path, string? variant)
    {
        string[] variants = [.. FindVariants(path)];
        string[] named = [.. variants.Where(name => name.Length > 0).Select(name => $"{VariantMark}{name}")];
        return new(
            path,
            variant is not null && variants.Length > 0
                ? $"no variant '{VariantMark}{variant}'; there {(named.Length > 0 ? $"are {string.Join(", ", named)}" : "is only the plain one")}"
                : $"no model; expected {Layouts}");
    }

    // Exports of clip-as-service have none: the graphs say their sizes themselves.
    private ConfigFile ReadConfig(List<string> configurations)
    {
        foreach (string name in new[] { "config.json", "open_clip_config.json" })
        {
            if (File.Exists(PathOf(name)))
            {
                configurations.Add(name);
                var file = ConfigFile.Read(PathOf(name));
                return name == "open_clip_config.json" ? file.Object("model_cfg") ?? file : file;
            }
        }

        return TextGraph.StartsWith("textual", StringComparison.Ordinal)
            ? new ConfigFile(PathOf("config.json"), System.Text.Json.JsonDocument.Parse("{}").RootElement)
            : ConfigFile.Read(PathOf("config.json"));
    }

    private static string Join(string folder, string name) => folder.Length == 0 ? name : $"{folder}/{name}";
}

/// <summary>Which kind of two-tower model a folder holds.</summary>
public enum ClipFamily
{
    /// <summary>CLIP: a picture's score is the cosine with the text (Radford et al. 2021).</summary>
    Clip,

    /// <summary>SigLIP: a picture's score is the probability that the text fits (Zhai et al. 2023).</summary>
    Siglip,
}

/// <summary>How a two-tower model makes logits of cosines: scale · cosine + bias.</summary>
/// <param name="Scale">Factor, not its logarithm; above 0.</param>
/// <param name="Bias">Summand; 0 for CLIP.</param>
public sealed record ClipLogits(float Scale, float Bias);
