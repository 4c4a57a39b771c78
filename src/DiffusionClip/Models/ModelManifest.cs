using System.Text.Json;

namespace DiffusionClip.Models;

/// <summary>Settings that go with a generator when the request does not say otherwise.</summary>
public sealed record ModelDefaults
{
    /// <summary>Denoising steps.</summary>
    public required int NumInferenceSteps { get; init; }

    /// <summary>Scale of classifier-free guidance.</summary>
    public required float GuidanceScale { get; init; }

    /// <summary>Width in pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Height in pixels.</summary>
    public required int Height { get; init; }

    /// <summary>Strength of painting over a picture.</summary>
    public double Strength { get; init; } = 0.8;

    /// <summary>Strength of painting where a mask shows.</summary>
    public double InpaintStrength { get; init; } = 1;
}

/// <summary><c>diffusionclip.json</c>: what the layout of a folder does not say itself. Optional; unknown keys are errors.</summary>
public sealed record ModelManifest
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "diffusionclip.json";

    /// <summary>Version of the record; 1.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The model's id; null: the folder's name.</summary>
    public string? Id { get; init; }

    /// <summary>SPDX name of the weights' licence.</summary>
    public string? License { get; init; }

    /// <summary>What the folder holds; null: the layout says it.</summary>
    public ModelKind? Kind { get; init; }

    /// <summary>Default denoising steps.</summary>
    public int? NumInferenceSteps { get; init; }

    /// <summary>Default guidance scale.</summary>
    public float? GuidanceScale { get; init; }

    /// <summary>Default width in pixels.</summary>
    public int? Width { get; init; }

    /// <summary>Default height in pixels.</summary>
    public int? Height { get; init; }

    /// <summary>Id or folder name of the CLIP that goes with a generator.</summary>
    public string? Scorer { get; init; }

    /// <summary>SHA-256 by path in the folder, lower-case hexadecimal; empty if the file declares none.</summary>
    public IReadOnlyDictionary<string, string> Files { get; init; } = new Dictionary<string, string>();

    internal static ModelManifest? ReadIfThere(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (JsonFile.ReadIfThere(path) is not { } root)
        {
            return null;
        }

        var file = new ConfigFile(path, root);
        RefuseUnknown(file, ["schema_version", "id", "license", "kind", "defaults", "scorer", "files"], "");
        int version = file.RequiredInt("schema_version");
        if (version != 1)
        {
            throw new ModelFolderException(path, $"schema_version is {version}; this build reads 1");
        }

        ModelManifest manifest = new()
        {
            Id = NotBlank(file, "id"),
            License = file.String("license"),
            Scorer = NotBlank(file, "scorer"),
            Kind = NotBlank(file, "kind") is { } kind ? new ModelKind(kind) : null,
            Files = ReadFiles(file),
        };
        if (file.Object("defaults") is not { } defaults)
        {
            return manifest;
        }

        RefuseUnknown(defaults, ["num_inference_steps", "guidance_scale", "width", "height"], "defaults.");
        return manifest with
        {
            NumInferenceSteps = Positive(defaults, "num_inference_steps"),
            GuidanceScale = defaults.Float("guidance_scale"),
            Width = Positive(defaults, "width"),
            Height = Positive(defaults, "height"),
        };
    }

    private static Dictionary<string, string> ReadFiles(ConfigFile file)
    {
        var hashes = new Dictionary<string, string>(StringComparer.Ordinal);
        if (file.Object("files") is not { } files)
        {
            return hashes;
        }

        foreach (JsonProperty entry in files.Root.EnumerateObject())
        {
            string name = entry.Name;
            if (name.Length == 0 || Path.IsPathRooted(name) || name.Contains('\\', StringComparison.Ordinal)
                || name.Split('/').Any(part => part is "" or "." or ".."))
            {
                throw new ModelFolderException(file.Path, $"files: '{name}' is no path inside the folder; expected e.g. 'unet/model.onnx'");
            }

            string? hash = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString() : null;
            if (hash is not { Length: 64 } || !hash.All(char.IsAsciiHexDigit))
            {
                throw new ModelFolderException(file.Path, $"files: the hash of '{name}' is no SHA-256; expected 64 hexadecimal digits");
            }

            hashes[name] = hash.ToLowerInvariant();
        }

        return hashes;
    }

    private static string? NotBlank(ConfigFile file, string key) => file.String(key) is not { } text
        ? null
        : !string.IsNullOrWhiteSpace(text)
            ? text
            : throw file.Wrong(key, file.Find(key)!.Value, "a name");

    private static int? Positive(ConfigFile file, string key) => file.Int(key) is not { } number
        ? null
        : number > 0
            ? number
            : throw file.Wrong(key, file.Find(key)!.Value, "a number above 0");

    private static void RefuseUnknown(ConfigFile file, string[] known, string prefix)
    {
        foreach (JsonProperty entry in file.Root.EnumerateObject())
        {
            if (!known.Contains(entry.Name, StringComparer.Ordinal))
            {
                throw new ModelFolderException(file.Path, $"unknown key '{prefix}{entry.Name}'; known are {string.Join(", ", known)}");
            }
        }
    }
}
