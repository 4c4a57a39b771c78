namespace DiffusionClip.Scoring;

public sealed class EmbeddingCacheTests : IDisposable
{
    private static readonly string Hash = new('a', 64);
    private static readonly float[] Vector = [0.5f, -0.5f, 0.5f, 0.5f];

    private readonly string _folder = Directory.CreateTempSubdirectory("dclip-embeddings-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_vector_comes_back_in_another_process()
    {
        new EmbeddingCache("model", 4, _folder).Add(Hash, Vector);
        Assert.True(new EmbeddingCache("model", 4, _folder).TryGet(Hash, out ReadOnlyMemory<float> embeds));
        Assert.Equal(Vector, embeds.ToArray());
        Assert.False(new EmbeddingCache("another", 4, _folder).TryGet(Hash, out _));
        Assert.Single(Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(20)]
    public void A_file_of_another_length_is_a_miss_and_is_written_anew(int length)
    {
        new EmbeddingCache("model", 4, _folder).Add(Hash, Vector);
        string file = Assert.Single(Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories));
        using (FileStream stream = File.OpenWrite(file))
        {
            stream.SetLength(length);
        }

        var cache = new EmbeddingCache("model", 4, _folder);
        Assert.False(cache.TryGet(Hash, out _));
        cache.Add(Hash, Vector);
        Assert.True(new EmbeddingCache("model", 4, _folder).TryGet(Hash, out ReadOnlyMemory<float> embeds));
        Assert.Equal(Vector, embeds.ToArray());
    }

    [Fact]
    public void A_vector_of_another_width_is_refused() =>
        Assert.Throws<ArgumentException>(() => new EmbeddingCache("model", 4, null).Add(Hash, new float[3]));

    [Fact]
    public void The_oldest_vectors_are_dropped_from_memory()
    {
        var cache = new EmbeddingCache("model", 4, null, capacity: 1);
        cache.Add(Hash, Vector);
        cache.Add(new string('b', 64), Vector);
        Assert.False(cache.TryGet(Hash, out _));
        Assert.True(cache.TryGet(new string('b', 64), out _));
    }
}
