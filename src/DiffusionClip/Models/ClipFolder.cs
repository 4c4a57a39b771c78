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

        string preprocessor = new[] { "preprocessor_config.json", "visual/preprocess_cfg.json", "preprocess_cfg.json" }.FirstOrDefault(name => File.Exists(PathOf(name)))
            ?? throw new ModelFolderException(PathOf("preprocessor_config.json"), "missing; expected how pictures are prepared there, or in visual/preprocess_cfg.json");
        configurations.Add(preprocessor);
        Preprocessing = ClipPreprocessing.Read(ConfigFile.Read(PathOf(preprocessor)), vision?.Int("image_size"));

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

/// <summary>How pictures are resized before a CLIP sees them.</summary>
public enum ClipResize
{
    /// <summary>The shorter side to a length, then a centre crop.</summary>
    Shortest,

    /// <summary>Both sides to the model's size, whatever the picture's shape.</summary>
    Squash,

    /// <summary>The longer side to a length, the rest filled.</summary>
    Longest,
}

/// <summary>How a CLIP folder wants its pictures: resize, centre crop, scale to 0 … 1, subtract mean, divide by standard deviation.</summary>
public sealed record ClipPreprocessing
{
    /// <summary>How the picture is resized.</summary>
    public required ClipResize Resize { get; init; }

    /// <summary>Length of the side that <see cref="Resize"/> goes by, in pixels; the model's larger side for a squash.</summary>
    public required int ResizeTo { get; init; }

    /// <summary>Height the model sees, in pixels.</summary>
    public required int Height { get; init; }

    /// <summary>Width the model sees, in pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Whether the centre is cropped to height and width after the resize.</summary>
    public required bool CenterCrop { get; init; }

    /// <summary>The filter, numbered as Pillow does: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic.</summary>
    public required int Resample { get; init; }

    /// <summary>What 8-bit values are multiplied by: 1/255.</summary>
    public required float RescaleFactor { get; init; }

    /// <summary>Mean of R, G, B.</summary>
    public required IReadOnlyList<float> Mean { get; init; }

    /// <summary>Standard deviation of R, G, B.</summary>
    public required IReadOnlyList<float> Std { get; init; }

    /// <summary>Grey level of the filling beside a <see cref="ClipResize.Longest"/> resize, 0 to 255.</summary>
    public int FillColor { get; init; }

    /// <summary>Absolute path of the file that says so, for errors.</summary>
    public required string ConfigPath { get; init; }

    internal static ClipPreprocessing Read(ConfigFile file, int? imageSize) =>
        file.Find("size") is { ValueKind: System.Text.Json.JsonValueKind.Array } || file.Find("resize_mode") is not null || file.Find("interpolation") is not null
            ? ReadOpenClip(file, imageSize)
            : ReadTransformers(file, imageSize);

    // open_clip's preprocess_cfg: size, mean, std, interpolation, resize_mode, fill_color.
    private static ClipPreprocessing ReadOpenClip(ConfigFile file, int? imageSize)
    {
        int[] size = file.Ints("size") ?? (imageSize is { } side ? [side] : throw file.Missing("size", "the size the image tower sees"));
        (int height, int width) = (Positive(file, "size", size[0]), Positive(file, "size", size[^1]));
        ClipResize resize = (file.String("resize_mode") ?? "shortest") switch
        {
            "shortest" => ClipResize.Shortest,
            "squash" => ClipResize.Squash,
            "longest" => ClipResize.Longest,
            _ => throw file.Wrong("resize_mode", file.Find("resize_mode")!.Value, "shortest, squash or longest"),
        };
        return new()
        {
            Resize = resize,
            ResizeTo = resize == ClipResize.Shortest ? Math.Min(height, width) : Math.Max(height, width),
            Height = height,
            Width = width,
            CenterCrop = resize != ClipResize.Squash,
            Resample = (file.String("interpolation") ?? "bicubic") switch
            {
                "nearest" => 0,
                "bilinear" => 2,
                "bicubic" => 3,
                _ => throw file.Wrong("interpolation", file.Find("interpolation")!.Value, "bicubic, bilinear or nearest"),
            },
            RescaleFactor = 1f / 255,
            Mean = file.Floats("mean", 3) ?? throw file.Missing("mean", "the mean of R, G and B"),
            Std = Spread(file, "std"),
            FillColor = file.Ints("fill_color") is [var fill, ..] ? fill : 0,
            ConfigPath = file.Path,
        };
    }

    // transformers' preprocessor_config.json: size as a number, {shortest_edge} or {height, width}.
    private static ClipPreprocessing ReadTransformers(ConfigFile file, int? imageSize)
    {
        (int? resizeHeight, int? resizeWidth, int? shortest) = Sides(file, "size");
        if (file.Bool("do_resize") == false)
        {
            throw file.Wrong("do_resize", file.Find("do_resize")!.Value, "true: pictures come in all sizes");
        }

        bool crop = file.Bool("do_center_crop") ?? shortest is not null;
        (int? cropHeight, int? cropWidth, int? cropSide) = crop ? Sides(file, "crop_size") : default;
        int height = cropHeight ?? cropSide ?? resizeHeight ?? imageSize ?? shortest ?? throw file.Missing("crop_size", "the size the image tower sees");
        int width = cropWidth ?? cropSide ?? resizeWidth ?? imageSize ?? shortest ?? height;
        bool squash = shortest is null && resizeHeight is not null;
        bool normalize = file.Bool("do_normalize") ?? true;
        return new()
        {
            Resize = squash ? ClipResize.Squash : ClipResize.Shortest,
            ResizeTo = squash ? Math.Max(resizeHeight!.Value, resizeWidth ?? 0) : Positive(file, "size", shortest ?? Math.Min(height, width)),
            Height = Positive(file, "crop_size", height),
            Width = Positive(file, "crop_size", width),
            CenterCrop = crop,
            Resample = file.Int("resample") ?? 3,
            RescaleFactor = file.Bool("do_rescale") == false ? 1 : file.Float("rescale_factor") ?? (1f / 255),
            Mean = normalize ? file.Floats("image_mean", 3) ?? throw file.Missing("image_mean", "the mean of R, G and B") : [0, 0, 0],
            Std = normalize ? Spread(file, "image_std") : [1, 1, 1],
            ConfigPath = file.Path,
        };
    }

    private static (int? Height, int? Width, int? Side) Sides(ConfigFile file, string key) =>
        file.Find(key) switch
        {
            null => default,
            { ValueKind: System.Text.Json.JsonValueKind.Number } => (null, null, file.Int(key)),
            { ValueKind: System.Text.Json.JsonValueKind.Object } => (file.Object(key)!.Value.Int("height"), file.Object(key)!.Value.Int("width"), file.Object(key)!.Value.Int("shortest_edge")),
            { } other => throw file.Wrong(key, other, "a number, {shortest_edge} or {height, width}"),
        };

    private static float[] Spread(ConfigFile file, string key)
    {
        float[] std = file.Floats(key, 3) ?? throw file.Missing(key, "the standard deviation of R, G and B");
        return std.All(value => value > 0) ? std : throw file.Wrong(key, file.Find(key)!.Value, "three numbers above 0");
    }

    private static int Positive(ConfigFile file, string key, int value) =>
        value > 0 ? value : throw new ModelFolderException(file.Path, $"{key} is {value}; expected a number above 0");
}
