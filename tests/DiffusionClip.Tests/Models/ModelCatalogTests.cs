using System.Security.Cryptography;
using System.Text;

namespace DiffusionClip.Models;

public sealed class ModelCatalogTests
{
    private static readonly string Models = Path.Combine(Golden.Repository, "models");
    private static readonly string Clip = Golden.PathOf("tiny-models", "clip-tiny-random");
    private static readonly string Tiny = Golden.PathOf("tiny-models", "sd1-tiny-random");

    [Fact]
    public void The_embedded_family_is_listed_and_its_hashes_hold()
    {
        ModelCatalog catalog = Folders.Catalog([Models, Path.Combine(Models, "not-there")]);
        IReadOnlyList<ModelEntry> entries = catalog.List();
        Assert.Equal(["emoji-clip", "emoji-sd"], entries.Select(entry => entry.Id));
        Assert.Equal([ModelKind.Clip, ModelKind.Diffusion], entries.Select(entry => entry.Kind));
        Assert.All(entries, entry => Assert.Null(entry.Problem));
        Assert.InRange(entries[1].Size, 49_000_000, 60_000_000);
        Assert.Equal("emoji-clip", entries[1].Scorer);
        foreach (ModelEntry entry in entries)
        {
            IReadOnlyList<FileVerification> rows = ModelCatalog.Verify(catalog.Resolve(entry.Id));
            Assert.NotEmpty(rows);
            Assert.All(rows, row => Assert.Equal(FileState.Ok, row.State));
        }
    }

    [Fact]
    public void A_model_is_found_by_id_folder_and_path()
    {
        using ModelCopy copy = new(Tiny, Clip);
        File.WriteAllText(copy.PathOf(ModelManifest.FileName), """{"schema_version": 1, "id": "the-id", "scorer": "clip-tiny-random"}""");
        ModelCatalog catalog = Folders.Catalog([copy.Root]);
        Assert.Equal(copy.Path, catalog.ResolveGenerator("the-id").Path);
        Assert.Equal(copy.Path, catalog.ResolveGenerator("THE-ID").Path);
        Assert.Equal(copy.Path, catalog.ResolveGenerator("sd1-tiny-random").Path);
        Assert.Equal(copy.Path, Folders.Catalog([]).ResolveGenerator(copy.Path).Path);
        Assert.Equal(copy.Path, Folders.Catalog([]).ResolveGenerator(copy.Path + "/").Path);

        GeneratorFolder generator = catalog.ResolveGenerator("the-id");
        Assert.Equal("clip-tiny-random", catalog.ScorerOf(generator)!.Id);

        // Beside its folder it is found without any root.
        Assert.Equal("clip-tiny-random", Folders.Catalog([]).ScorerOf(generator)!.Id);
        Assert.Null(catalog.ScorerOf(Folders.Generator(Tiny)));
    }

    [Fact]
    public void An_unknown_name_lists_the_known_ones()
    {
        ModelCatalog catalog = Folders.Catalog([Models]);
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => catalog.ResolveGenerator("emoji-xl"));
        Assert.Contains("emoji-xl: no such model; there are emoji-sd in", exception.Message, StringComparison.Ordinal);
        Assert.Contains(
            "expected a CLIP",
            Assert.Throws<ModelFolderException>(() => catalog.ResolveScorer("emoji-sd")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_scorer_that_is_not_there_is_named()
    {
        using ModelCopy copy = new(Tiny);
        File.WriteAllText(copy.PathOf(ModelManifest.FileName), """{"schema_version": 1, "scorer": "nobody"}""");
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() =>
            Folders.Catalog([Models]).ScorerOf(Folders.Generator(copy.Path)));
        Assert.Contains("scorer 'nobody' is not there", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_folder_is_listed_with_its_problem()
    {
        using ModelCopy copy = new(Tiny, Clip);
        File.WriteAllText(copy.PathOf("unet/config.json"), "{");
        ModelEntry damaged = Assert.Single(Folders.Catalog([copy.Root]).List(), entry => entry.Problem is not null);
        Assert.Equal("sd1-tiny-random", damaged.Id);
        Assert.Contains("broken JSON", damaged.Problem!, StringComparison.Ordinal);
    }

    [Fact]
    public void Verifying_tells_each_kind_of_file_apart()
    {
        using ModelCopy copy = new(Clip);
        string Hash(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(copy.PathOf(file))));
        File.WriteAllText(copy.PathOf(ModelManifest.FileName), $$"""
            {"schema_version": 1, "files": {"config.json": "{{Hash("config.json")}}", "vocab.json": "{{new string('0', 64)}}", "gone.bin": "{{new string('1', 64)}}" } }
            """);
        ModelFolder folder = Folders.Open(copy.Path);
        var states = ModelCatalog.Verify(folder).ToDictionary(row => row.File, row => row);
        Assert.Equal(FileState.Ok, states["config.json"].State);
        Assert.Equal(FileState.Different, states["vocab.json"].State);
        Assert.Equal(new string('0', 64), states["vocab.json"].Expected);
        Assert.Equal(Hash("vocab.json"), states["vocab.json"].Actual);
        Assert.Equal(FileState.Missing, states["gone.bin"].State);
        Assert.Equal(FileState.Undeclared, states["merges.txt"].State);
    }

    [Fact]
    public void Hashes_are_those_of_sha256sum()
    {
        ClipFolder folder = ClipFolder.Open(Clip);
        ModelHashes hashes = ModelHashes.Compute(folder);
        Assert.Equal(folder.Files, hashes.Files.Keys);
        var listing = new StringBuilder();
        foreach (string file in folder.Files)
        {
            string hash = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(folder.PathOf(file))));
            Assert.Equal(hash, hashes.Files[file]);
            listing.Append(hash).Append("  ").Append(file).Append('\n');
        }

        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(listing.ToString()))), hashes.Identity);
    }

    [Fact]
    public void A_changed_file_is_hashed_anew_and_its_difference_named()
    {
        using ModelCopy copy = new(Path.Combine(Models, "emoji-clip"));
        ClipFolder folder = ClipFolder.Open(copy.Path);
        ModelHashes before = ModelHashes.Compute(folder);
        before.Check(folder);
        string vocabulary = copy.PathOf("vocab.json");
        File.AppendAllText(vocabulary, " ");
        ModelHashes after = ModelHashes.Compute(folder);
        Assert.NotEqual(before.Identity, after.Identity);
        ModelFolderException exception = Assert.Throws<ModelFolderException>(() => after.Check(folder));
        Assert.Equal(vocabulary, exception.Path);
        Assert.Contains(before.Files["vocab.json"], exception.Message, StringComparison.Ordinal);
        Assert.Contains(after.Files["vocab.json"], exception.Message, StringComparison.Ordinal);
    }
}
