using DiffusionClip.Models;
using DiffusionClip.Models.Graphs;

namespace DiffusionClip.Collections;

public sealed class BoundedCacheTests
{
    [Fact]
    public void The_least_recently_used_goes_first()
    {
        BoundedCache<int, string> cache = new(2);
        Assert.Equal("1", cache.GetOrAdd(1, key => $"{key}"));
        cache.Add(2, "2");
        Assert.Equal("1", cache.GetOrAdd(1, _ => "made again"));
        cache.Add(3, "3");
        cache.Add(3, "3, again");
        Assert.Equal(2, cache.Count);
        Assert.False(cache.TryGet(2, out _));
        Assert.True(cache.TryGet(3, out string? third));
        Assert.Equal("3, again", third);
        Assert.True(cache.TryGet(1, out _));
    }

    [Fact]
    public void Hashes_of_any_number_of_files_stay_bounded()
    {
        using ModelCopy copy = new();
        Directory.CreateDirectory(copy.Path);
        string path = copy.PathOf("file");
        File.WriteAllText(path, "x");
        for (int i = 0; i < ModelHashes.MostKnown + 10; i++)
        {
            File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch.AddSeconds(i));
            ModelHashes.OfFile(path, CancellationToken.None);
        }

        Assert.Equal(ModelHashes.MostKnown, ModelHashes.KnownNow);
    }

    [Fact]
    public void Graphs_read_in_any_number_stay_bounded()
    {
        using ModelCopy copy = new();
        string path = copy.PathOf("m.onnx");
        new TinyGraph().Input("x", TinyGraph.Float, 1).Output("y", TinyGraph.Float, 1).Node("Identity", ["x"], "y").Write(path);
        for (int i = 0; i < OnnxGraphFile.MostKnown + 10; i++)
        {
            File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch.AddSeconds(i));
            OnnxGraphFile.Read(path, copy.Path);
        }

        Assert.Equal(OnnxGraphFile.MostKnown, OnnxGraphFile.KnownNow);
    }
}
