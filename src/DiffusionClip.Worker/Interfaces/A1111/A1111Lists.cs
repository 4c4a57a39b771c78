using System.Text.Json.Nodes;
using DiffusionClip.Denoising;
using DiffusionClip.Models;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>What there is to choose from. Kinds of things that this program does not have are empty lists.</summary>
internal sealed class A1111Lists(GeneratorModels models)
{
    /// <summary>Maps the routes.</summary>
    public static void Map(RouteGroupBuilder api)
    {
        api.MapGet("samplers", static () => Results.Json(Samplers())).WithName("a1111-samplers");
        api.MapGet("schedulers", static () => Results.Json(Schedulers())).WithName("a1111-schedulers");
        api.MapGet("sd-models", static async (A1111Lists lists) => Results.Json(await lists.ModelsAsync().ConfigureAwait(false)))
            .WithName("a1111-sd-models");
        // The folders are read at every call.
        api.MapPost("refresh-checkpoints", static () => Results.Text("null", "application/json")).WithName("a1111-refresh-checkpoints");
        api.MapGet("upscalers", static () => Results.Json(new JsonArray(Named("None", 4)))).WithName("a1111-upscalers");
        foreach (
            string none in (ReadOnlySpan<string>)
                [
                    "sd-vae",
                    "latent-upscale-modes",
                    "prompt-styles",
                    "loras",
                    "hypernetworks",
                    "face-restorers",
                    "realesrgan-models",
                    "script-info",
                ])
        {
            api.MapGet(none, static () => Results.Json(new JsonArray())).WithName($"a1111-{none}");
        }

        api.MapGet(
                "embeddings",
                static () => Results.Json(new JsonObject { ["loaded"] = new JsonObject(), ["skipped"] = new JsonObject() }))
            .WithName("a1111-embeddings");
        api.MapGet(
                "scripts",
                static () =>
                    Results.Json(
                        new JsonObject
                        {
                            ["txt2img"] = new JsonArray(GenerationBody.Script),
                            ["img2img"] = new JsonArray(GenerationBody.Script),
                        }))
            .WithName("a1111-scripts");
        api.MapGet(
                "cmd-flags",
                static (PipelineOptions options) =>
                    Results.Json(
                        new JsonObject
                        {
                            ["api"] = true,
                            ["nowebui"] = true,
                            ["use_cpu"] = new JsonArray(),
                            ["ckpt"] = options.DefaultModel,
                        }))
            .WithName("a1111-cmd-flags");
        api.MapGet("memory", static () => Results.Json(Memory())).WithName("a1111-memory");
    }

    /// <summary>The samplers of models of noise; what needs a model of another kind is left out.</summary>
    public static IEnumerable<SchedulerDescriptor> Usable =>
        SchedulerCatalog.All.Where(sampler =>
            !sampler.ClassName.StartsWith("FlowMatch", StringComparison.Ordinal)
            && !sampler.ClassName.StartsWith("EDM", StringComparison.Ordinal));

    private static JsonArray Samplers() => new([.. Usable
        .Select(sampler => (JsonNode)new JsonObject
        {
            ["name"] = sampler.Label,
            ["aliases"] = new JsonArray([.. sampler.Aliases.Select(alias => (JsonNode?)alias)]),
            ["options"] = new JsonObject(),
        })]);

    private static JsonArray Schedulers() => new([.. ScheduleTypes.All.Select(type => (JsonNode)new JsonObject
    {
        ["name"] = type.Name,
        ["label"] = type.Label,
        ["aliases"] = null,
        ["default_rho"] = type.Name == "karras" ? 7.0 : -1.0,
        ["need_inner_model"] = false,
    })]);

    private static JsonObject Named(string name, int scale) => new()
    {
        ["name"] = name,
        ["model_name"] = null,
        ["model_path"] = null,
        ["model_url"] = null,
        ["scale"] = scale,
    };

    private static JsonObject Memory()
    {
        GCMemoryInfo memory = GC.GetGCMemoryInfo();
        long used = Environment.WorkingSet;
        return new JsonObject
        {
            ["ram"] = new JsonObject
            {
                ["free"] = Math.Max(0, memory.TotalAvailableMemoryBytes - used),
                ["used"] = used,
                ["total"] = memory.TotalAvailableMemoryBytes,
            },
            ["cuda"] = new JsonObject { ["error"] = "not measured" },
        };
    }

    private async Task<JsonArray> ModelsAsync()
    {
        var list = new JsonArray();
        foreach (ModelEntry entry in models.List())
        {
            string? sha256 = await models.HashAsync(entry).ConfigureAwait(false);
            list.Add(new JsonObject
            {
                ["title"] = GeneratorModels.Title(entry.Id, sha256),
                ["model_name"] = entry.Id,
                ["hash"] = GeneratorModels.Short(sha256),
                ["sha256"] = sha256,
                // The folder's path stays on the server.
                ["filename"] = entry.Id,
                ["config"] = null,
            });
        }

        return list;
    }
}
