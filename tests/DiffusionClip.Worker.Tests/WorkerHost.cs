using System.Net.Http.Headers;

namespace DiffusionClip.Worker.Tests;

/// <summary>A real worker on a free port with a data folder of its own.</summary>
public sealed class WorkerHost : IAsyncDisposable
{
    private WorkerHost(WebApplication application, string folder)
    {
        Application = application;
        Folder = folder;
        Address = new Uri(application.Urls.First());
        Client = new HttpClient { BaseAddress = Address };
    }

    public WebApplication Application { get; }

    public Uri Address { get; }

    /// <summary>Its data folder.</summary>
    public string Folder { get; }

    public HttpClient Client { get; }

    public static async Task<WorkerHost> StartAsync(Action<IServiceCollection>? configure = null, params string[] args)
    {
        string folder = Directory.CreateTempSubdirectory("dclip-worker-").FullName;
        string[] settings =
        [
            "--Worker:Url=http://127.0.0.1:0",
            $"--Worker:DataFolder={folder}",
            "--Logging:LogLevel:Default=Warning",
            .. args,
        ];
        WebApplication application = WorkerApplication.Build(
            settings,
            services =>
            {
                SharedModels.Use(services);
                configure?.Invoke(services);
            });
        await application.StartAsync();
        return new WorkerHost(application, folder);
    }

    /// <summary>A client that comes with a key.</summary>
    public HttpClient ClientWith(string key)
    {
        var client = new HttpClient { BaseAddress = Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Application.StopAsync();
        await Application.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}
