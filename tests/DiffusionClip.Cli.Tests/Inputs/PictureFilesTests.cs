namespace DiffusionClip.Cli.Inputs;

public sealed class PictureFilesTests : IDisposable
{
    private readonly Workspace _work = new();

    public PictureFilesTests()
    {
        foreach (
            string file in new[]
            {
                "1.png",
                "10.png",
                "2.JPG",
                "notes.txt",
                ".hidden.png",
                "sub/3.png",
                "sub/deep/4.webp",
                "sub/.dot/5.png",
                "odd[1].png",
            })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_work[file])!);
            File.WriteAllText(_work[file], "");
        }
    }

    public void Dispose() => _work.Dispose();

    [Theory]
    [InlineData("", "1.png 2.JPG 10.png odd[1].png")]
    [InlineData("*.png", "1.png 10.png odd[1].png")]
    [InlineData("?.png", "1.png")]
    [InlineData("*/*.png", "sub/3.png")]
    [InlineData("**/*.png", "1.png 10.png odd[1].png sub/3.png")]
    [InlineData("**/?.*", "1.png 2.JPG sub/3.png sub/deep/4.webp")]
    [InlineData("s*/**", "sub/3.png sub/deep/4.webp")]
    [InlineData("odd[1].png", "odd[1].png")]
    [InlineData("missing.png", "missing.png")]
    public void Arguments_stand_for_files(string pattern, string expected) =>
        Assert.Equal(
            expected.Split(' ').Select(name => _work[name]),
            PictureFiles.Expand([pattern.Length == 0 ? _work.Path : _work[pattern]], _ => { }));

    [Fact]
    public void A_file_counts_once() =>
        Assert.Equal(
            [_work["1.png"], _work["10.png"]],
            PictureFiles.Expand([_work["10.png"], _work["1*.png"], _work["sub", "..", "1.png"]], _ => { }).Select(Path.GetFullPath));

    [Fact]
    public async Task A_folder_a_pipe_and_a_device_are_no_pictures()
    {
        Assert.Contains(
            "a folder",
            (
                await Assert.ThrowsAsync<DiffusionClipException>(() =>
                    PictureFiles.ReadAsync(_work["sub"], Imaging.ImageLimits.Default, default))
            ).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "empty",
            (
                await Assert.ThrowsAsync<DiffusionClipException>(() =>
                    PictureFiles.ReadAsync(_work["1.png"], Imaging.ImageLimits.Default, default))
            ).Message,
            StringComparison.Ordinal);
        if (OperatingSystem.IsLinux())
        {
            // Opening a pipe that nobody writes to would wait for ever.
            using (var make = System.Diagnostics.Process.Start("mkfifo", [_work["pipe.png"]]))
            {
                await make.WaitForExitAsync();
            }

            File.CreateSymbolicLink(_work["link.png"], _work["pipe.png"]);
            foreach (string file in new[] { _work["pipe.png"], _work["link.png"], "/dev/zero" })
            {
                Assert.Contains(
                    "no regular file",
                    (
                        await Assert.ThrowsAsync<DiffusionClipException>(() =>
                            PictureFiles.ReadAsync(file, Imaging.ImageLimits.Default, default))
                    ).Message,
                    StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task A_file_beyond_the_limit_is_not_read() =>
        Assert.Contains("5 bytes", (await Assert.ThrowsAsync<DiffusionClipException>(async () =>
        {
            await File.WriteAllTextAsync(_work["big.png"], "12345");
            await PictureFiles.ReadAsync(_work["big.png"], new Imaging.ImageLimits(MaxFileBytes: 4), default);
        })).Message, StringComparison.Ordinal);
}
