using System.Text.Json;
using System.Text.Json.Nodes;

namespace DiffusionClip;

/// <summary>A model folder of its own in a temporary folder, to be damaged.</summary>
internal sealed class ModelCopy : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("dclip-test-").FullName;

    /// <summary>Copies folders; the first is <see cref="Path"/>.</summary>
    public ModelCopy(params string[] sources)
    {
        foreach (string source in sources)
        {
            string target = System.IO.Path.Combine(_root, System.IO.Path.GetFileName(source));
            foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
            {
                string copy = System.IO.Path.Combine(target, System.IO.Path.GetRelativePath(source, file));
                Directory.CreateDirectory(System.IO.Path.GetDirectoryName(copy)!);
                File.Copy(file, copy);
                File.SetAttributes(copy, FileAttributes.Normal);
            }
        }

        Path = sources.Length > 0 ? System.IO.Path.Combine(_root, System.IO.Path.GetFileName(sources[0])) : _root;
    }

    public string Root => _root;

    public string Path { get; }

    public string PathOf(string relative) => System.IO.Path.Combine(Path, relative);

    /// <summary>Changes a key of a JSON file; null removes it.</summary>
    public ModelCopy Set(string file, string key, JsonNode? value)
    {
        JsonObject root = JsonNode.Parse(File.ReadAllText(PathOf(file)))!.AsObject();
        if (value is null)
        {
            root.Remove(key);
        }
        else
        {
            root[key] = value;
        }

        File.WriteAllText(PathOf(file), root.ToJsonString(new JsonSerializerOptions()));
        return this;
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
