using System.Text.Json;
using DiffusionClip.Models;

namespace DiffusionClip.Denoising;

public sealed class SchedulerCatalogTests
{
    private static readonly JsonElement _folder = Json("""
        {"_class_name":"PNDMScheduler","_diffusers_version":"0.6.0","beta_end":0.012,"beta_schedule":"scaled_linear","beta_start":0.00085,
         "num_train_timesteps":1000,"set_alpha_to_one":false,"skip_prk_steps":true,"steps_offset":1,"trained_betas":null,"clip_sample":false}
        """);

    [Theory]
    [InlineData("Euler", "EulerDiscreteScheduler", "{}")]
    [InlineData("eULER A", "EulerAncestralDiscreteScheduler", "{}")]
    [InlineData("k_euler_a", "EulerAncestralDiscreteScheduler", "{}")]
    [InlineData("euler_ancestral", "EulerAncestralDiscreteScheduler", "{}")]
    [InlineData("DPM++ 2M", "DPMSolverMultistepScheduler", "{}")]
    [InlineData("dpmpp_2m", "DPMSolverMultistepScheduler", "{}")]
    [InlineData("k_dpmpp_2m", "DPMSolverMultistepScheduler", "{}")]
    [InlineData("DPMSolverMultistepScheduler", "DPMSolverMultistepScheduler", "{}")]
    [InlineData("dpmsolvermultistepscheduler", "DPMSolverMultistepScheduler", "{}")]
    [InlineData("DPM++ 2M Karras", "DPMSolverMultistepScheduler", """{"use_karras_sigmas":true}""")]
    [InlineData("dpm++ 2m automatic", "DPMSolverMultistepScheduler", """{"use_karras_sigmas":true}""")]
    [InlineData("dpmpp_2m_karras", "DPMSolverMultistepScheduler", """{"use_karras_sigmas":true}""")]
    [InlineData("dpmpp_2m_k", "DPMSolverMultistepScheduler", """{"use_karras_sigmas":true}""")]
    [InlineData("DPM++ 2M SDE Exponential", "DPMSolverMultistepScheduler", """{"algorithm_type":"sde-dpmsolver++","use_exponential_sigmas":true,"timestep_spacing":"linspace"}""")]
    [InlineData("DPM++ 2M SDE Automatic", "DPMSolverMultistepScheduler", """{"algorithm_type":"sde-dpmsolver++","use_exponential_sigmas":true,"timestep_spacing":"linspace"}""")]
    [InlineData("Euler SGM Uniform", "EulerDiscreteScheduler", """{"timestep_spacing":"trailing"}""")]
    [InlineData("Euler Simple", "EulerDiscreteScheduler", """{"timestep_spacing":"trailing"}""")]
    [InlineData("Euler a SGM Uniform", "EulerAncestralDiscreteScheduler", """{"timestep_spacing":"trailing"}""")]
    [InlineData("DPM2 a Beta", "KDPM2AncestralDiscreteScheduler", """{"use_beta_sigmas":true,"timestep_spacing":"linspace"}""")]
    [InlineData("DPM++ SDE Exponential", "DPMSolverSinglestepScheduler", """{"use_exponential_sigmas":true}""")]
    [InlineData("dpmpp_3m", "DPMSolverMultistepScheduler", """{"solver_order":3}""")]
    [InlineData("PLMS", "PNDMScheduler", """{"skip_prk_steps":true}""")]
    [InlineData("uni_pc", "UniPCMultistepScheduler", "{}")]
    [InlineData("kdpm_2", "KDPM2DiscreteScheduler", "{}")]
    [InlineData("lcm", "LCMScheduler", "{}")]
    public void Resolves_names(string name, string className, string options)
    {
        SchedulerConfig config = SchedulerCatalog.Configure(default, name, null);
        Assert.Equal(className, config.ClassName);
        SchedulerConfig expected = SchedulerCatalog.Configure(
            default,
            className,
            Json(options).EnumerateObject().ToDictionary(p => p.Name, p => p.Value));
        AssertSame(expected, config);
    }

    [Fact]
    public void Knows_every_alias_and_class()
    {
        Assert.Equal(21, SchedulerCatalog.All.Select(d => d.ClassName).Distinct().Count());
        foreach (SchedulerDescriptor descriptor in SchedulerCatalog.All)
        {
            foreach (string name in descriptor.Aliases.Append(descriptor.Label))
            {
                Assert.Equal(descriptor.ClassName, SchedulerCatalog.Resolve(name.ToUpperInvariant()).ClassName);
                Assert.Equal(descriptor.Options, SchedulerCatalog.Resolve(name).Options);
            }
        }
    }

    [Theory]
    [InlineData("DPM++ 2S a", "DPM++ SDE")]
    [InlineData("DPM++ 2S a Karras", "DPM++ SDE")]
    [InlineData("dpm++ 3m sde", "DPM++ 2M SDE")]
    [InlineData("DPM++ 3M SDE Exponential", "DPM++ 2M SDE")]
    [InlineData("DPM adaptive", "DPM++ 2M")]
    [InlineData("DPM fast", "DPM++ 2M")]
    [InlineData("Restart", "Heun")]
    public void Names_what_comes_nearest_to_labels_without_counterpart(string label, string nearest)
    {
        var error = Assert.Throws<InvalidRequestException>(() => SchedulerCatalog.Resolve(label));
        Assert.Equal("scheduler", error.Field);
        Assert.Equal($"it has no exact counterpart here; nearest is {nearest}", error.Remedy);
    }

    [Theory]
    [InlineData("Eulr", "Euler")]
    [InlineData("dpmpp2m", "dpmpp_2m")]
    [InlineData("DDIMSchedular", "DDIMScheduler")]
    public void Unknown_names_list_the_known(string name, string nearest)
    {
        var error = Assert.Throws<InvalidRequestException>(() => SchedulerCatalog.Resolve(name));
        Assert.Equal("scheduler", error.Field);
        Assert.StartsWith("known are Euler, Euler a, ", error.Remedy, StringComparison.Ordinal);
        Assert.EndsWith($"nearest is {nearest}", error.Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Euler a Karras", "use_karras_sigmas")]
    [InlineData("DDIM Karras", "use_karras_sigmas")]
    [InlineData("DPM++ SDE SGM Uniform", "timestep_spacing")]
    public void A_schedule_type_that_a_class_lacks_is_an_error(string name, string option)
    {
        var error = Assert.Throws<InvalidRequestException>(() => SchedulerCatalog.Resolve(name));
        Assert.Contains(option, error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void A_schedule_type_without_counterpart_is_an_error() =>
        Assert.Contains(
            "Polyexponential",
            Assert.Throws<InvalidRequestException>(() => SchedulerCatalog.Resolve("DPM++ 2M Polyexponential")).Remedy,
            StringComparison.Ordinal);

    [Fact]
    public void Another_class_keeps_shared_keys_only()
    {
        SchedulerConfig ddim = SchedulerCatalog.Configure(Json("""{"_class_name":"PNDMScheduler","beta_end":0.012,"steps_offset":1,"skip_prk_steps":true}"""), "DDIM", null);
        Assert.Equal(0.012, Get(ddim, "beta_end"));
        Assert.Equal(1, Get(ddim, "steps_offset"));
        Assert.Equal(true, Get(ddim, "clip_sample"));
        Assert.Equal("leading", Get(ddim, "timestep_spacing"));
    }

    [Fact]
    public void Another_class_reads_words_of_its_kin()
    {
        JsonElement folder = Json("""{"_class_name":"DPMSolverMultistepScheduler","algorithm_type":"sde-dpmsolver++","solver_type":"midpoint","solver_order":3}""");
        Assert.Equal("deis", Get(SchedulerCatalog.Configure(Json("""{"_class_name":"DPMSolverMultistepScheduler","algorithm_type":"dpmsolver++"}"""), "DEIS", null), "algorithm_type"));
        Assert.Equal("bh2", Get(SchedulerCatalog.Configure(folder, "UniPC", null), "solver_type"));
        Assert.Equal(3, Get(SchedulerCatalog.Configure(folder, "UniPC", null), "solver_order"));
        Assert.Equal("data_prediction", Get(SchedulerCatalog.Configure(folder, "sa_solver", null), "algorithm_type"));
        Assert.Equal("midpoint", Get(SchedulerCatalog.Configure(Json("""{"_class_name":"UniPCMultistepScheduler","solver_type":"bh1"}"""), "dpmpp_2m", null), "solver_type"));
    }

    [Fact]
    public void Keys_that_were_defaults_are_defaults_again()
    {
        JsonElement folder = Json("""{"_class_name":"PNDMScheduler","_use_default_values":["beta_end"],"beta_end":0.5,"beta_start":0.001}""");
        SchedulerConfig config = SchedulerCatalog.Configure(folder, null, null);
        Assert.Equal(0.02, Get(config, "beta_end"));
        Assert.Equal(0.001, Get(config, "beta_start"));
    }

    [Fact]
    public void Sigma_bounds_of_another_class_still_count()
    {
        // diffusers keeps keys that the new class does not have and its Karras schedule looks for these.
        JsonElement folder = Json("""{"_class_name":"EulerDiscreteScheduler","sigma_min":0.05,"sigma_max":10,"use_karras_sigmas":true}""");
        var plan = (SchedulerPlan)SchedulerCatalog.Configure(folder, "Heun", null).Build(new() { NumInferenceSteps = 4 });
        Assert.Equal(10, plan.Sigmas[0], 1e-5);
        Assert.Equal(0.05, plan.Sigmas[^2], 1e-6);
    }

    [Fact]
    public void A_key_that_no_scheduler_has_is_an_error()
    {
        var error = Assert.Throws<InvalidRequestException>(() => SchedulerCatalog.Configure(Json("""{"_class_name":"DDIMScheduler","beta_strat":0.1}"""), null, null));
        Assert.Contains("beta_strat", error.Field, StringComparison.Ordinal);
        Assert.EndsWith("nearest is beta_start", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void An_option_that_this_scheduler_lacks_is_an_error()
    {
        var error = Assert.Throws<InvalidRequestException>(() => SchedulerCatalog.Configure(_folder, null, Options("""{"use_karras_sigmas":true}""")));
        Assert.Equal("scheduler_options.use_karras_sigmas", error.Field);
        Assert.Contains("PNDMScheduler has the options beta_end, beta_schedule, beta_start, ", error.Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"beta_start":"much"}""", "a number is needed")]
    [InlineData("""{"steps_offset":1.5}""", "a whole number is needed")]
    [InlineData("""{"skip_prk_steps":3}""", "true or false is needed")]
    [InlineData("""{"timestep_spacing":"even"}""", "known are linspace, leading, trailing")]
    [InlineData("""{"trained_betas":1}""", "a list of numbers is needed")]
    public void A_value_that_does_not_fit_is_an_error(string options, string remedy)
    {
        var error = Assert.Throws<InvalidRequestException>(() => SchedulerCatalog.Configure(_folder, null, Options(options)));
        Assert.Equal(Json(options).EnumerateObject().First().Name, error.Field);
        Assert.Equal(remedy, error.Remedy);
    }

    [Theory]
    [InlineData("""{"beta_start":0.1}""", "_class_name")]
    [InlineData("""{"_class_name":"DPMSolverSDEScheduler"}""", "_class_name")]
    public void A_folder_has_to_name_a_class_that_is_known(string folder, string field) =>
        Assert.Equal(field, Assert.Throws<InvalidRequestException>(() => SchedulerCatalog.Configure(Json(folder), null, null)).Field);

    [Fact]
    public void Euler_on_a_flow_folder_is_the_flows_Euler()
    {
        JsonElement folder = Json("""{"_class_name":"FlowMatchEulerDiscreteScheduler","shift":3.0,"base_shift":0.5}""");
        Assert.Equal("FlowMatchEulerDiscreteScheduler", SchedulerCatalog.Configure(folder, "euler", null).ClassName);
        Assert.Equal("FlowMatchHeunDiscreteScheduler", SchedulerCatalog.Configure(folder, "Heun", null).ClassName);
        Assert.Equal("EulerDiscreteScheduler", SchedulerCatalog.Configure(folder, "EulerDiscreteScheduler", null).ClassName);
    }

    [Theory]
    [InlineData("DPM++ 2M Karras", "DPM++ 2M", "Karras")]
    [InlineData("DPM++ 2M", "DPM++ 2M", "Uniform")]
    [InlineData("DPM++ 2M SDE Exponential", "DPM++ 2M SDE", "Exponential")]
    [InlineData("DPM++ 2M SDE Heun Karras", "DPM++ 2M SDE Heun", "Karras")]
    [InlineData("Euler SGM Uniform", "Euler", "SGM Uniform")]
    [InlineData("Euler", "Euler", null)]
    [InlineData("Euler a", "Euler a", null)]
    [InlineData("DDIM", "DDIM", null)]
    [InlineData("PLMS", "PLMS", null)]
    [InlineData("LMS Beta", "LMS", "Beta")]
    public void Labels_read_back(string name, string sampler, string? scheduleType)
    {
        SchedulerConfig config = SchedulerCatalog.Configure(default, name, null);
        Assert.Equal(new SchedulerReport(config.ClassName, sampler, scheduleType), SchedulerCatalog.Label(config));
    }

    [Fact]
    public void Files_are_read_as_Python_writes_them()
    {
        JsonElement element = JsonFile.Parse(
            "\uFEFF{\"_class_name\":\"DPMSolverMultistepScheduler\",\"lambda_min_clipped\": -Infinity, \"a\\\"NaN\":[NaN,Infinity,\"Infinity\"]}"u8
        );
        Assert.Equal("-Infinity", element.GetProperty("lambda_min_clipped").GetString());
        Assert.Equal(3, element.GetProperty("a\"NaN").GetArrayLength());
        SchedulerConfig config = SchedulerCatalog.Configure(
            JsonFile.Parse("""{"_class_name":"DPMSolverMultistepScheduler","lambda_min_clipped":-Infinity}"""u8), null, null);
        Assert.Equal(double.NegativeInfinity, Get(config, "lambda_min_clipped"));
        Assert.ThrowsAny<JsonException>(() => JsonFile.Parse("<html>"u8));
    }

    private static void AssertSame(SchedulerConfig expected, SchedulerConfig actual)
    {
        foreach (string option in SchedulerOptions.Of(expected.GetType()).Keys)
        {
            Assert.Equal(Get(expected, option), Get(actual, option));
        }
    }

    private static object? Get(SchedulerConfig config, string option) => SchedulerOptions.Get(config, option);

    private static Dictionary<string, JsonElement> Options(string json) =>
        Json(json).EnumerateObject().ToDictionary(p => p.Name, p => p.Value);

    private static JsonElement Json(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
