using System.Globalization;
using System.Text.Json;
using DiffusionClip.Imaging.Resampling;

namespace DiffusionClip.Models;

public sealed partial class ClipPreprocessing
{
    private const int LargestSide = 8192;

    private static readonly double[] HalfTriple = [0.5, 0.5, 0.5];

    private static readonly (string Name, Func<JsonElement, string, ClipPreprocessing> Read)[] _readers =
    [
        ("preprocessor_config.json", FromPreprocessorConfig),
        ("processor_config.json", (root, path) => FromPreprocessorConfig(Nested(root, "image_processor", path), path)),
        ("preprocess_cfg.json", FromPreprocessCfg),
        ("visual/preprocess_cfg.json", FromPreprocessCfg),
        ("open_clip_config.json", (root, path) => FromPreprocessCfg(Nested(root, "preprocess_cfg", path), path)),
    ];

    /// <summary>The files that may hold the settings, by path in the folder; the first that exists counts.</summary>
    public static IEnumerable<string> FileNames => _readers.Select(reader => reader.Name);

    /// <summary>
    /// Reads the settings of a model: <c>preprocessor_config.json</c> or the image part of <c>processor_config.json</c> (transformers),
    /// <c>preprocess_cfg.json</c> (open_clip; also in <c>visual/</c>) or <c>open_clip_config.json</c>; without any of them
    /// <see cref="Default"/>.
    /// </summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="imageSize">Side of the square that the tower takes, where the model says it; null lets a missing file mean 224.</param>
    /// <exception cref="ModelFolderException">A file cannot be used; the message names file and field.</exception>
    public static ClipPreprocessing ReadFolder(string folder, int? imageSize)
    {
        ArgumentNullException.ThrowIfNull(folder);
        foreach ((string name, Func<JsonElement, string, ClipPreprocessing> read) in _readers)
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path))
            {
                return read(JsonFile.Read(path), path);
            }
        }

        return Default(imageSize ?? 224);
    }

    /// <summary>
    /// Reads the settings of a transformers image processor (CLIPImageProcessor, SiglipImageProcessor, ViTImageProcessor and their older
    /// names).
    /// </summary>
    /// <param name="config">The JSON object.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="ModelFolderException">A field cannot be used.</exception>
    public static ClipPreprocessing FromPreprocessorConfig(JsonElement config, string path)
    {
        Fields fields = new(config, path);
        string type = fields.Text("image_processor_type") ?? fields.Text("feature_extractor_type") ?? "";
        bool squareSizes = !IsKind(type, "CLIP") && type.Length > 0;
        if (IsKind(type, "Siglip2") && fields.Has("max_num_patches"))
        {
            throw fields.Wrong("image_processor_type", "towers that take a varying number of patches are not supported");
        }

        bool ownMean = IsKind(type, "Siglip") || IsKind(type, "ViT");
        bool crop = fields.Flag("do_center_crop") ?? (!ownMean && (fields.Has("crop_size") || !squareSizes));
        (PreprocessingResize resize, int height, int width) = HuggingFaceSize(fields, squareSizes);
        if (!(fields.Flag("do_resize") ?? true))
        {
            resize = PreprocessingResize.None;
        }

        (int cropHeight, int cropWidth) = (height, width);
        if (crop && fields.Has("crop_size"))
        {
            (cropHeight, cropWidth) = fields.Size("crop_size");
        }
        else if (crop && !fields.Has("size"))
        {
            (cropHeight, cropWidth) = (224, 224);
        }

        bool normalize = fields.Flag("do_normalize") ?? true;
        return new ClipPreprocessing
        {
            Resize = resize,
            ResizeHeight = height,
            ResizeWidth = width,
            Filter = Filtered(fields, ownMean && IsKind(type, "ViT") ? ResamplingFilter.Bilinear : ResamplingFilter.Bicubic),
            CenterCrop = crop,
            Height = cropHeight,
            Width = cropWidth,
            RescaleFactor = fields.Flag("do_rescale") ?? true ? fields.Number("rescale_factor") ?? 1.0 / 255 : 1.0,
            Mean = normalize ? fields.Triple("image_mean", positive: false) ?? (ownMean ? HalfTriple : OpenAiMean) : [0, 0, 0],
            Std = normalize ? fields.Triple("image_std", positive: true) ?? (ownMean ? HalfTriple : OpenAiStd) : [1, 1, 1],
            Source = Path.GetFileName(path),
        };
    }

    /// <summary>
    /// Reads open_clip's preprocessing settings (<c>size</c>, <c>mode</c>, <c>mean</c>, <c>std</c>, <c>interpolation</c>,
    /// <c>resize_mode</c>, <c>fill_color</c>).
    /// </summary>
    /// <param name="config">The JSON object.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="ModelFolderException">A field cannot be used.</exception>
    public static ClipPreprocessing FromPreprocessCfg(JsonElement config, string path)
    {
        Fields fields = new(config, path);
        if (fields.Text("mode") is { } mode && mode != "RGB")
        {
            throw fields.Wrong("mode", "only RGB is supported");
        }

        (int height, int width) = fields.Has("size") ? fields.Size("size") : (224, 224);
        PreprocessingResize resize = fields.Text("resize_mode") switch
        {
            null or "shortest" => PreprocessingResize.Shortest,
            "longest" => PreprocessingResize.Longest,
            "squash" => PreprocessingResize.Squash,
            _ => throw fields.Wrong("resize_mode", "known are shortest, longest and squash"),
        };
        ResamplingFilter filter = fields.Text("interpolation") switch
        {
            null or "bicubic" or "random" => ResamplingFilter.Bicubic,
            "bilinear" => ResamplingFilter.Bilinear,
            "nearest" => ResamplingFilter.Nearest,
            "lanczos" => ResamplingFilter.Lanczos,
            "box" => ResamplingFilter.Box,
            "hamming" => ResamplingFilter.Hamming,
            _ => throw fields.Wrong("interpolation", "known are bicubic, bilinear, nearest, lanczos, box and hamming"),
        };
        return new ClipPreprocessing
        {
            Resize = resize,
            ResizeHeight = height,
            ResizeWidth = width,
            Filter = filter,
            CenterCrop = resize != PreprocessingResize.Squash,
            Height = height,
            Width = width,
            Rounding = CropRounding.HalfToEven,
            Fill = fields.Grey("fill_color"),
            Mean = fields.Triple("mean", positive: false) ?? OpenAiMean,
            Std = fields.Triple("std", positive: true) ?? OpenAiStd,
            Source = Path.GetFileName(path),
        };
    }

    private static bool IsKind(string type, string kind) => type.StartsWith(kind, StringComparison.OrdinalIgnoreCase);

    private static (PreprocessingResize Resize, int Height, int Width) HuggingFaceSize(Fields fields, bool squareSizes)
    {
        if (!fields.Has("size"))
        {
            return (squareSizes ? PreprocessingResize.Squash : PreprocessingResize.Shortest, 224, 224);
        }

        JsonElement size = fields.Value("size");
        if (size.ValueKind == JsonValueKind.Object && size.TryGetProperty("shortest_edge", out JsonElement edge))
        {
            int side = fields.Side("size", edge);
            return (PreprocessingResize.Shortest, side, side);
        }

        (int height, int width) = fields.Size("size");

        // A bare number is the shorter side to CLIP's processor and a square to the others.
        bool shortest = size.ValueKind == JsonValueKind.Number && !squareSizes;
        return (shortest ? PreprocessingResize.Shortest : PreprocessingResize.Squash, height, width);
    }

    private static ResamplingFilter Filtered(Fields fields, ResamplingFilter missing)
    {
        if (!fields.Has("resample"))
        {
            return missing;
        }

        JsonElement value = fields.Value("resample");
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && Enum.IsDefined((ResamplingFilter)number)
            ? (ResamplingFilter)number
            : throw fields.Wrong("resample", "Pillow's filters are 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box and 5 hamming");
    }

    private static JsonElement Nested(JsonElement root, string name, string path) =>
        root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out JsonElement nested)
            ? nested
            : throw new ModelFolderException(path, $"the object '{name}' is missing");

    /// <summary>The fields of one file, with messages that name them. Null counts as absent, as it does in the reference.</summary>
    private readonly struct Fields
    {
        private readonly JsonElement _root;
        private readonly string _path;

        public Fields(JsonElement root, string path)
        {
            _root = root.ValueKind == JsonValueKind.Object ? root : throw new ModelFolderException(path, "a JSON object was expected");
            _path = path;
        }

        public bool Has(string name) => _root.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

        public JsonElement Value(string name) => _root.GetProperty(name);

        public ModelFolderException Wrong(string name, string remedy)
        {
            string value = Has(name) ? Value(name).GetRawText().ReplaceLineEndings(" ") : "nothing";
            return new ModelFolderException(_path, $"{name}: {(value.Length > 60 ? value[..60] + "…" : value)} cannot be used; {remedy}");
        }

        public string? Text(string name) => !Has(name) ? null
            : Value(name).ValueKind == JsonValueKind.String ? Value(name).GetString()
            : throw Wrong(name, "a string was expected");

        public bool? Flag(string name) => !Has(name) ? null
            : Value(name).ValueKind is JsonValueKind.True or JsonValueKind.False ? Value(name).GetBoolean()
            : throw Wrong(name, "true or false was expected");

        public double? Number(string name) =>
            !Has(name) ? null
            : Value(name).ValueKind == JsonValueKind.Number && Value(name).TryGetDouble(out double number) && double.IsFinite(number)
                ? number
            : throw Wrong(name, "a number was expected");

        public double[]? Triple(string name, bool positive)
        {
            if (!Has(name))
            {
                return null;
            }

            JsonElement value = Value(name);
            double[] numbers = value.ValueKind switch
            {
                JsonValueKind.Number => [value.GetDouble(), value.GetDouble(), value.GetDouble()],
                JsonValueKind.Array when value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number) =>
                [
                    .. value.EnumerateArray().Select(item => item.GetDouble()),
                ],
                _ => [],
            };
            return numbers.Length == 3 && numbers.All(number => double.IsFinite(number) && (!positive || number > 0))
                ? numbers
                : throw Wrong(name, positive ? "three numbers above 0 were expected" : "three numbers were expected");
        }

        public byte Grey(string name)
        {
            if (!Has(name))
            {
                return 0;
            }

            JsonElement value = Value(name);
            if (value.ValueKind == JsonValueKind.Array)
            {
                JsonElement[] items = [.. value.EnumerateArray()];
                value = items.Length > 0 && items.All(item => item.GetRawText() == items[0].GetRawText()) ? items[0] : value;
            }

            return value.ValueKind == JsonValueKind.Number && value.TryGetByte(out byte grey)
                ? grey
                : throw Wrong(name, "a grey of 0 to 255 was expected");
        }

        /// <summary>A number, [height, width], or an object with height and width.</summary>
        public (int Height, int Width) Size(string name)
        {
            JsonElement value = Value(name);
            if (value.ValueKind == JsonValueKind.Number)
            {
                int side = Side(name, value);
                return (side, side);
            }

            if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() is 1 or 2)
            {
                return (Side(name, value[0]), Side(name, value[value.GetArrayLength() - 1]));
            }

            return
                value.ValueKind == JsonValueKind.Object
                && value.TryGetProperty("height", out JsonElement height)
                && value.TryGetProperty("width", out JsonElement width)
                ? (Side(name, height), Side(name, width))
                : throw Wrong(name, "a number, or height and width, was expected");
        }

        public int Side(string name, JsonElement value) =>
            value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int side) && side is >= 1 and <= LargestSide
                ? side
                : throw Wrong(name, string.Create(CultureInfo.InvariantCulture, $"sides are whole numbers from 1 to {LargestSide}"));
    }
}
