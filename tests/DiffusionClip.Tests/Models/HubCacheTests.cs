namespace DiffusionClip.Models;

public sealed class HubCacheTests
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567", Older = "89abcdef0123456789abcdef0123456789abcdef";

    [Fact]
    public void The_folder_is_the_one_that_the_hub_s_own_tools_use()
    {
        static string Root(params (string Name, string Value)[] variables) =>
            HubCache.FromEnvironment(name => variables.FirstOrDefault(variable => variable.Name == name).Value).Root;
        string home = Path.GetFullPath("/home/a");
        Assert.Equal(Path.Combine(home, ".cache", "huggingface", "hub"), Root(("HOME", home)));
        Assert.Equal(Path.GetFullPath("/x/huggingface/hub"), Root(("HOME", home), ("XDG_CACHE_HOME", "/x")));
        Assert.Equal(Path.GetFullPath("/h/hub"), Root(("HOME", home), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")));
        Assert.Equal(Path.GetFullPath("/c"), Root(("HOME", home), ("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")));
    }

    [Theory]
    [InlineData("org/name", true)]
    [InlineData("org/name@onnx", true)]
    [InlineData("org/name@refs/pr/1", true)]
    [InlineData("org/stable-diffusion-v1.5_x", true)]
    [InlineData("name", false)]
    [InlineData("a/b/c", false)]
    [InlineData("./name", false)]
    [InlineData("../name", false)]
    [InlineData("org/..", false)]
    [InlineData("org/name@../x", false)]
    [InlineData("org/", false)]
    public void Names_have_two_parts(string name, bool expected) => Assert.Equal(expected, HubCache.IsName(name));

    [Fact]
    public void A_model_is_found_by_branch_commit_and_beginning()
    {
        using Hub hub = new();
        HubCache cache = new(hub.Root);
        Assert.Equal(hub.Snapshot(Commit), cache.Find("org/clip"));
        Assert.Equal(hub.Snapshot(Commit), cache.Find("org/clip@main"));
        Assert.Equal(hub.Snapshot(Older), cache.Find("org/clip@onnx"));
        Assert.Equal(hub.Snapshot(Older), cache.Find($"org/clip@{Older}"));
        Assert.Equal(hub.Snapshot(Older), cache.Find($"org/clip@{Older[..8]}"));
        Assert.Null(cache.Find("org/other"));
        string message = Assert.Throws<ModelFolderException>(() => cache.Find("org/clip@v2")).Message;
        Assert.Contains($"not its revision 'v2' (there are {Commit}, {Older})", message, StringComparison.Ordinal);
        Assert.EndsWith("huggingface-cli download org/clip --revision v2", message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_catalog_finds_it_and_its_id_finds_it_again()
    {
        using Hub hub = new();
        ModelCatalog catalog = Folders.Catalog([], new HubCache(hub.Root));
        ClipFolder clip = catalog.ResolveScorer("org/clip");
        Assert.Equal("org/clip", clip.Id);
        Assert.Equal($"org/clip@{Older}", catalog.ResolveScorer("org/clip@onnx").Id);
        Assert.Equal(hub.Snapshot(Older), catalog.ResolveScorer(catalog.ResolveScorer("org/clip@onnx").Id).Path);

        // What a snapshot links to are the blobs of its own entry.
        Assert.NotEmpty(clip.DescribeGraphs());
        Assert.NotEmpty(ModelHashes.Compute(clip).Identity);
        string message = Assert.Throws<ModelFolderException>(() => catalog.ResolveScorer("org/none")).Message;
        Assert.Contains($"searched {hub.Root}", message, StringComparison.Ordinal);
        Assert.EndsWith("huggingface-cli download org/none", message, StringComparison.Ordinal);
    }

    /// <summary>A cache with one model, as huggingface_hub lays it out: two commits, files linked from blobs.</summary>
    private sealed class Hub : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("dclip-hub-").FullName;

        public Hub()
        {
            Assert.SkipWhen(OperatingSystem.IsWindows(), "links need rights there");
            string source = Golden.PathOf("tiny-models", "clip-tiny-random"),
                entry = Path.Combine(_folder, "models--org--clip");
            string blobs = Directory.CreateDirectory(Path.Combine(entry, "blobs")).FullName,
                refs = Directory.CreateDirectory(Path.Combine(entry, "refs")).FullName;
            File.WriteAllText(Path.Combine(refs, "main"), Commit);
            File.WriteAllText(Path.Combine(refs, "onnx"), Older);
            int blob = 0;
            foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
            {
                string stored = Path.Combine(blobs, $"blob{blob++}");
                File.Copy(file, stored);
                foreach (string commit in new[] { Commit, Older })
                {
                    string link = Path.Combine(Snapshot(commit), Path.GetRelativePath(source, file));
                    Directory.CreateDirectory(Path.GetDirectoryName(link)!);
                    File.CreateSymbolicLink(link, stored);
                }
            }
        }

        public string Root => _folder;

        public string Snapshot(string commit) => Path.Combine(_folder, "models--org--clip", "snapshots", commit);

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}
