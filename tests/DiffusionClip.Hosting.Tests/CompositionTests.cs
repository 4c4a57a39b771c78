using DiffusionClip.Onnx;
using DiffusionClip.Reporting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace DiffusionClip.Hosting;

public sealed class CompositionTests
{
    [Fact]
    public void A_second_call_adds_nothing()
    {
        IServiceCollection once = new ServiceCollection().AddDiffusionClip(Settings(), Golden.Repository);
        int services = once.Count;
        using ServiceProvider provider = once.AddDiffusionClip(Settings(), Golden.Repository).BuildServiceProvider();
        Assert.NotNull(provider.GetRequiredService<ImagePipeline>());
        Assert.Equal(["models"], provider.GetRequiredService<DiffusionClipOptions>().ModelFolders);
        Assert.Single(provider.GetServices<ISearchStrategy>());

        // What AddOptions and ValidateOnStart note down again has no effect.
        Assert.DoesNotContain(
            once.Skip(services), service => service.ServiceType.Namespace?.StartsWith("DiffusionClip", StringComparison.Ordinal) == true);
    }

    [Fact]
    public void What_a_host_registered_before_stays()
    {
        var own = new OwnRasterizer();
        using ServiceProvider provider = new ServiceCollection()
            .AddSingleton<ITextRasterizer>(own)
            .AddDiffusionClip(contentRoot: Golden.Repository)
            .BuildServiceProvider();
        Assert.Same(own, provider.GetRequiredService<ITextRasterizer>());
    }

    [Fact]
    public void The_runtime_is_configured()
    {
        using ServiceProvider provider = new ServiceCollection()
            .AddDiffusionClip(
                Settings(
                    ("DiffusionClip:Provider", "cpu"),
                    ("DiffusionClip:Runtime:MemoryBudget", "2000000000"),
                    ("DiffusionClip:Runtime:Threads", "2"),
                    ("DiffusionClip:Runtime:KeepLoaded", "1")),
                Golden.Repository)
            .BuildServiceProvider();
        OnnxOptions runtime = provider.GetRequiredService<OnnxOptions>();
        Assert.Equal(("cpu", 2_000_000_000L, 2, 1), (runtime.Provider, runtime.MemoryBudget, runtime.Threads, runtime.KeepLoaded));
        Assert.Same(runtime, provider.GetRequiredService<IOptions<OnnxOptions>>().Value);
    }

    [Fact]
    public void Options_that_code_sets_are_checked_too()
    {
        using ServiceProvider provider = new ServiceCollection()
            .AddDiffusionClip(contentRoot: Golden.Repository)
            .Configure<DiffusionClipOptions>(options => options.Limits.Steps = -1)
            .BuildServiceProvider();
        IStartupValidator start = provider.GetRequiredService<IStartupValidator>();
        InvalidRequestException exception = Assert.Throws<InvalidRequestException>(start.Validate);
        Assert.Contains("DiffusionClip:Limits:Steps", exception.Message, StringComparison.Ordinal);
    }

    private static IConfiguration Settings(params (string Key, string Value)[] settings) => new ConfigurationBuilder()
        .AddInMemoryCollection([new("DiffusionClip:ModelFolders:0", "models")])
        .AddInMemoryCollection(settings.ToDictionary(setting => setting.Key, setting => (string?)setting.Value))
        .Build();

    private sealed class OwnRasterizer : ITextRasterizer
    {
        public float Measure(string text, float size, bool bold) => text.Length;

        public TextMask Rasterize(string text, float size, bool bold) => throw new NotSupportedException();
    }
}
