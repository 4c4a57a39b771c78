namespace DiffusionClip.Architecture;

/// <summary>
/// The folders of the core form no circle. A type's folder is the second level of its namespace; the root, where the pipeline ties all
/// folders together, is none.
/// </summary>
public sealed class FolderTests
{
    private static readonly IReadOnlyDictionary<string, HashSet<string>> _types =
        TypeReferences.Of(Path.Combine(AppContext.BaseDirectory, "DiffusionClip.dll"));

    private static readonly ILookup<(string From, string To), string> _uses = _types
        .SelectMany(type => type.Value.Select(used => (From: type.Key, To: used)))
        .Where(use => FolderOf(use.From) is { } from && FolderOf(use.To) is { } to && from != to)
        .ToLookup(use => (FolderOf(use.From)!, FolderOf(use.To)!), use => $"{Short(use.From)} → {Short(use.To)}");

    [Fact]
    public void The_references_of_method_bodies_are_read()
    {
        // By a base, a signature, a body, a generic argument and a closure's body.
        Assert.Contains("DiffusionClip.Denoising.SchedulerState", _types["DiffusionClip.Denoising.SchedulerMemory"]);
        Assert.Contains("DiffusionClip.Noise.NoiseSource", _types["DiffusionClip.Denoising.IScheduler"]);
        Assert.Contains("DiffusionClip.Noise.BinarySingles", _types["DiffusionClip.Denoising.SchedulerMemory"]);
        Assert.Contains("DiffusionClip.Denoising.SchedulerClass", _types["DiffusionClip.Denoising.SchedulerRegistry"]);
        Assert.Contains("DiffusionClip.Denoising.Schedulers.PndmConfig", _types["DiffusionClip.Denoising.SchedulerRegistry"]);
        Assert.True(_types.Count > 200, $"{_types.Count} types");
    }

    [Fact]
    public void The_folders_of_the_core_form_no_circle()
    {
        Dictionary<string, HashSet<string>> graph = Graph();
        List<string> circles = [];
        while (ShortestCircle(graph) is { } circle)
        {
            circles.Add(Describe(circle));
            graph[circle[0]].Remove(circle[1]);
        }

        Assert.True(circles.Count == 0, string.Join("\n\n", circles));
    }

    private static string? FolderOf(string type)
    {
        string[] parts = type.Split('.');
        return parts.Length > 2 && parts[0] == "DiffusionClip" ? parts[1] : null;
    }

    private static string Short(string type) => type["DiffusionClip.".Length..];

    private static Dictionary<string, HashSet<string>> Graph()
    {
        var graph = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach (IGrouping<(string From, string To), string> edge in _uses)
        {
            graph.TryAdd(edge.Key.From, new(StringComparer.Ordinal));
            graph.TryAdd(edge.Key.To, new(StringComparer.Ordinal));
            graph[edge.Key.From].Add(edge.Key.To);
        }

        return graph;
    }

    private static List<string>? ShortestCircle(Dictionary<string, HashSet<string>> graph) =>
        (from folder in graph.Keys.Order(StringComparer.Ordinal)
         from next in graph[folder].Order(StringComparer.Ordinal)
         let back = PathBetween(graph, next, folder)
         where back is not null
         orderby back.Count
         select (List<string>)[folder, .. back]).FirstOrDefault();

    // Breadth first: from the first folder to the last, both included.
    private static List<string>? PathBetween(Dictionary<string, HashSet<string>> graph, string from, string to)
    {
        var before = new Dictionary<string, string?>(StringComparer.Ordinal) { [from] = null };
        var open = new Queue<string>([from]);
        while (open.TryDequeue(out string? folder))
        {
            if (folder == to)
            {
                var path = new List<string>();
                for (string? step = to; step is not null; step = before[step])
                {
                    path.Insert(0, step);
                }

                return path;
            }

            foreach (string next in graph.GetValueOrDefault(folder, []).Order(StringComparer.Ordinal))
            {
                if (before.TryAdd(next, folder))
                {
                    open.Enqueue(next);
                }
            }
        }

        return null;
    }

    private static string Describe(List<string> circle)
    {
        IEnumerable<string> ties = circle.Zip(circle.Skip(1), (from, to) =>
        {
            string[] uses = [.. _uses[(from, to)].Order(StringComparer.Ordinal)];
            return $"  {from} → {to} ({uses.Length}): {string.Join("; ", uses.Take(6))}{(uses.Length > 6 ? " …" : "")}";
        });
        return $"{string.Join(" → ", circle)}\n{string.Join('\n', ties)}";
    }
}
