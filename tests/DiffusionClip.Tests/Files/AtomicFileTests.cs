using System.Text;

namespace DiffusionClip.Files;

public sealed class AtomicFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dclip-files-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(Durability.Process)]
    [InlineData(Durability.Content)]
    [InlineData(Durability.Name)]
    public async Task A_file_is_replaced_in_one_step(Durability durability)
    {
        string path = PathOf("a.txt");
        AtomicFile.Write(path, "one"u8, durability);
        Assert.Equal("one", File.ReadAllText(path));
        await AtomicFile.WriteAsync(path, Encoding.UTF8.GetBytes("two"), durability, TestContext.Current.CancellationToken);
        Assert.Equal("two", File.ReadAllText(path));
        AssertFiles("a.txt");
    }

    [Fact]
    public void Until_it_is_committed_there_is_no_file_and_then_the_whole()
    {
        string path = PathOf("a.txt");
        using (AtomicFile file = AtomicFile.Begin(path))
        {
            file.Content.Write("half"u8);
            file.Content.Flush();
            Assert.False(File.Exists(path));
            Assert.False(AtomicFile.IsLeftover(Assert.Single(Directory.GetFiles(_folder))));
            file.Content.Write(" and half"u8);
            file.Commit(overwrite: false);
        }

        Assert.Equal("half and half", File.ReadAllText(path));
        AssertFiles("a.txt");
    }

    [Fact]
    public void What_is_not_committed_is_removed_and_what_was_there_stays()
    {
        File.WriteAllText(PathOf("a.txt"), "before");
        using (AtomicFile file = AtomicFile.Begin(PathOf("a.txt")))
        {
            file.Content.Write("after"u8);
        }

        Assert.Equal("before", File.ReadAllText(PathOf("a.txt")));
        AssertFiles("a.txt");
    }

    [Fact]
    public void A_name_that_is_taken_is_an_error_unless_it_may_be_overwritten()
    {
        File.WriteAllText(PathOf("a.txt"), "before");
        using (AtomicFile file = AtomicFile.Begin(PathOf("a.txt")))
        {
            file.Content.Write("after"u8);
            Assert.Throws<IOException>(() => file.Commit(overwrite: false));
        }

        Assert.Equal("before", File.ReadAllText(PathOf("a.txt")));
        AssertFiles("a.txt");
    }

    [Fact]
    public async Task A_cancelled_write_leaves_nothing()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            AtomicFile.WriteAsync(PathOf("a.txt"), new byte[10], cancellationToken: cancelled.Token));
        AssertFiles();
    }

    [Fact]
    public void Where_nothing_can_be_written_nothing_is_left()
    {
        Assert.ThrowsAny<IOException>(() => AtomicFile.Write(PathOf("none/a.txt"), "a"u8));
        Directory.CreateDirectory(PathOf("taken"));
        Assert.ThrowsAny<Exception>(() => AtomicFile.Write(PathOf("taken"), "a"u8));
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_new_file_gets_a_number_where_its_name_is_taken()
    {
        Assert.Equal(PathOf("a.png"), AtomicFile.Create(_folder, "a.png", "1"u8));
        Assert.Equal(PathOf("a-2.png"), AtomicFile.Create(_folder, "a.png", "2"u8));
        Assert.Equal(PathOf("a-3.png"), AtomicFile.Create(_folder, "a.png", "3"u8));
        Assert.Equal("2", File.ReadAllText(PathOf("a-2.png")));
        AssertFiles("a-2.png", "a-3.png", "a.png");
    }

    [Fact]
    public void A_replaced_file_keeps_its_permissions_and_its_links()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("links and modes are those of Unix");
            return;
        }

        File.WriteAllText(PathOf("a.txt"), "before");
        File.SetUnixFileMode(PathOf("a.txt"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        File.CreateSymbolicLink(PathOf("link.txt"), PathOf("a.txt"));
        AtomicFile.Replace(PathOf("link.txt"), "after"u8);
        Assert.Equal("after", File.ReadAllText(PathOf("a.txt")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(PathOf("a.txt")));
        Assert.Equal(PathOf("a.txt"), File.ResolveLinkTarget(PathOf("link.txt"), returnFinalTarget: true)!.FullName);
        AssertFiles("a.txt", "link.txt");
    }

    [Theory]
    [InlineData("a.png.1-1.tmp", true)]
    [InlineData(".a.png.999999999-0a1b2c3d.tmp", true)]
    [InlineData("a.png", false)]
    public void What_another_process_left_behind_is_told_by_its_name(string name, bool isLeftover) =>
        Assert.Equal(isLeftover, AtomicFile.IsLeftover(PathOf(name)));

    [Fact]
    public void Many_writers_of_one_name_leave_one_whole_file()
    {
        Parallel.For(
            0,
            64,
            i => AtomicFile.Write(PathOf("a.txt"), Encoding.UTF8.GetBytes(new string((char)('a' + (i % 26)), 10_000)), Durability.Process));
        string content = File.ReadAllText(PathOf("a.txt"));
        Assert.Equal(new string(content[0], 10_000), content);
        AssertFiles("a.txt");
    }

    private string PathOf(string name) => Path.Combine(_folder, name);

    private void AssertFiles(params string[] names) =>
        Assert.Equal(names, Directory.GetFiles(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
}
