using DiffusionClip.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Benchmarks;

/// <summary>The program as its users compose it, with the benchmark models beside the embedded ones.</summary>
internal static class Host
{
    public static ServiceProvider Build(params (string Key, string Value)[] settings)
    {
        IConfiguration configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create($"DiffusionClip:{setting.Key}", (string?)setting.Value)))
            .AddInMemoryCollection(
            [
                KeyValuePair.Create("DiffusionClip:ModelFolders:0", (string?)"models"),
                KeyValuePair.Create("DiffusionClip:ModelFolders:1", (string?)"tests/DiffusionClip.Benchmarks/models"),
            ])
            .Build();
        ServiceProvider services = new ServiceCollection().AddDiffusionClip(configuration, Golden.Repository).BuildServiceProvider();

        // Makes the process's runtime environment, which bare sessions share.
        _ = services.GetRequiredService<IModelStore>();
        return services;
    }
}
