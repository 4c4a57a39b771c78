namespace DiffusionClip.Worker.Tests;

public class CompositionTests
{
    [Fact]
    public async Task The_worker_is_composed()
    {
        await using var application = WorkerApplication.Build([]);
        Assert.NotNull(application.Services.GetService(typeof(ImagePipeline)));
    }
}
