using System.Text.Json;

namespace DiffusionClip.Models;

/// <summary>
/// A folder in diffusers' layout before any family has read it: <c>model_index.json</c>, which names the pipeline's class and its parts,
/// and readers for the parts that families have in common. A family asks for the parts that it knows; what it asked for makes the folder.
/// </summary>
public sealed class ModelIndex
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "model_index.json";

    private readonly List<string> _configurations = [FileName];

    /// <summary>Reads the index of a folder.</summary>
    /// <param name="location">The folder.</param>
    /// <exception cref="ModelFolderException">It has no index, or a damaged one.</exception>
    public ModelIndex(ModelLocation location)
    {
        ArgumentNullException.ThrowIfNull(location);
        Location = location;
        string path = PathOf(FileName);
        if (!File.Exists(path))
        {
            throw new ModelFolderException(path, "missing; expected the index of a diffusion folder");
        }

        var index = ConfigFile.Read(path);
        Root = index.Root;
        PipelineClass = index.String("_class_name") ?? "StableDiffusionPipeline";
    }

    /// <summary>Where the folder is.</summary>
    public ModelLocation Location { get; }

    /// <summary>The whole <c>model_index.json</c>.</summary>
    public JsonElement Root { get; }

    /// <summary>The pipeline's class in diffusers, e.g. <c>StableDiffusionPipeline</c>.</summary>
    public string PipelineClass { get; }

    /// <summary>The parts that the index lists, by name: their classes.</summary>
    public IReadOnlyDictionary<string, string> Parts => Root.EnumerateObject()
        .Where(entry => entry.Value.ValueKind == JsonValueKind.Array && entry.Value.GetArrayLength() == 2
            && entry.Value[1].ValueKind == JsonValueKind.String)
        .ToDictionary(entry => entry.Name, entry => entry.Value[1].GetString()!, StringComparer.Ordinal);

    /// <summary>Configurations and tokenizer files read so far, by path in the folder.</summary>
    internal IReadOnlyList<string> Configurations => _configurations;

    /// <summary>Absolute path of a file or part by its path in the folder.</summary>
    public string PathOf(string relative) => Path.Combine(Location.Path, relative.Replace('/', Path.DirectorySeparatorChar));

    /// <summary>Whether the folder has a part, e.g. <c>vae_encoder</c>.</summary>
    public bool Has(string part) => Directory.Exists(PathOf(part));

    /// <summary>The configuration of a part, for families that read what is their own: <c>config.json</c> beside its graph.</summary>
    /// <param name="part">E.g. <c>transformer</c>; it has to hold a <c>model.onnx</c> too.</param>
    /// <exception cref="ModelFolderException">The part is missing, incomplete or damaged.</exception>
    public JsonElement ReadConfig(string part) => Config(part).Root;

    /// <summary>The scheduler's configuration.</summary>
    /// <exception cref="ModelFolderException">It is missing or damaged.</exception>
    public SchedulerFolder ReadScheduler()
    {
        const string name = "scheduler/scheduler_config.json";
        var file = ConfigFile.Read(PathOf(name));
        _configurations.Add(name);
        return new() { Config = file.Root, ConfigPath = file.Path };
    }

    /// <summary>A text encoder with its tokenizer.</summary>
    /// <param name="part">E.g. <c>text_encoder_2</c>; its tokenizer is then in <c>tokenizer_2</c>.</param>
    /// <exception cref="ModelFolderException">A part is missing, incomplete or damaged.</exception>
    public TextEncoderFolder ReadTextEncoder(string part)
    {
        string tokenizer = part.Replace("text_encoder", "tokenizer", StringComparison.Ordinal);
        ConfigFile config = Config(part);
        _configurations.AddRange(TokenizerFiles.Find(Location.Path, tokenizer));
        return TextEncoderFolder.Read(config, $"{part}/model.onnx", PathOf(tokenizer));
    }

    /// <summary>A half of an autoencoder.</summary>
    /// <param name="part">E.g. <c>vae_decoder</c>.</param>
    /// <exception cref="ModelFolderException">The part is missing, incomplete or damaged.</exception>
    public AutoencoderFolder ReadAutoencoder(string part) => AutoencoderFolder.Read(Config(part), $"{part}/model.onnx");

    /// <summary>A half of an autoencoder; null if the folder has none.</summary>
    /// <inheritdoc cref="ReadAutoencoder"/>
    public AutoencoderFolder? ReadAutoencoderIfThere(string part) => Has(part) ? ReadAutoencoder(part) : null;

    /// <summary>The configuration of a part that has a graph.</summary>
    internal ConfigFile Config(string part)
    {
        if (!Has(part))
        {
            throw new ModelFolderException(PathOf(part), "missing; expected a folder with model.onnx and config.json");
        }

        ModelFile.CheckGraph(PathOf($"{part}/model.onnx"));
        _configurations.Add($"{part}/config.json");
        return ConfigFile.Read(PathOf($"{part}/config.json"));
    }
}

/// <summary>The scheduler's part of a diffusion folder.</summary>
public sealed record SchedulerFolder
{
    /// <summary>The whole <c>scheduler_config.json</c>; NaN and infinities, which Python writes bare, are texts in it.</summary>
    public required JsonElement Config { get; init; }

    /// <summary>Absolute path of <c>scheduler_config.json</c>, for errors.</summary>
    public required string ConfigPath { get; init; }
}
