namespace DiffusionClip.Worker.Tests;

public class CompositionTests
{
    [Fact]
    public async Task TheWorkerIsComposed()
    {
        await using var application = WorkerApplication.Build([]);
        Assert.NotNull(application.Services.GetService(typeof(ImagePipeline)));
    }
}
