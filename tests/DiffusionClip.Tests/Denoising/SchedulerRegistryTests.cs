using System.Text.Json;

namespace DiffusionClip.Denoising;

public sealed class SchedulerRegistryTests
{
    [Fact]
    public void A_mistyped_class_fails_instead_of_losing_a_sampler()
    {
        InvalidOperationException exception = Assert.Throws<InvalidOperationException>(() =>
            SchedulerRegistry.Get("EulerDiscretScheduler"));
        Assert.Contains("nearest is EulerDiscreteScheduler", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_class_has_a_label_and_every_label_a_class()
    {
        Assert.Equal(26, SchedulerCatalog.All.Count);
        Assert.Equal(
            SchedulerRegistry.Names,
            SchedulerCatalog.All.Select(sampler => sampler.ClassName).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(21, SchedulerRegistry.Names.Count);
    }

    [Theory]
    [InlineData("DDIMScheduler", "thresholding dynamic_thresholding_ratio sample_max_value clip_sample clip_sample_range")]
    [InlineData("DDPMScheduler", "thresholding dynamic_thresholding_ratio sample_max_value clip_sample clip_sample_range")]
    [InlineData("LCMScheduler", "thresholding dynamic_thresholding_ratio sample_max_value clip_sample clip_sample_range")]
    [InlineData("DPMSolverMultistepScheduler", "thresholding dynamic_thresholding_ratio sample_max_value")]
    [InlineData("EDMDPMSolverMultistepScheduler", "thresholding dynamic_thresholding_ratio sample_max_value")]
    [InlineData("HeunDiscreteScheduler", "clip_sample clip_sample_range")]
    [InlineData("EulerDiscreteScheduler", "")]
    public void The_options_of_a_group_stand_beside_all_others(string name, string options)
    {
        string[] limits = ["thresholding", "dynamic_thresholding_ratio", "sample_max_value", "clip_sample", "clip_sample_range"];
        SchedulerClass found = SchedulerRegistry.Get(name);
        Assert.Equal(
            options.Split(' ', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal),
            found.Options.Intersect(limits).Order(StringComparer.Ordinal));
        Assert.DoesNotContain("threshold", found.Options);
        Assert.DoesNotContain("clip", found.Options);
    }

    [Fact]
    public void An_option_of_a_group_is_set_on_one_configuration_alone()
    {
        var options = new Dictionary<string, JsonElement> { ["sample_max_value"] = JsonSerializer.SerializeToElement(2.5) };
        SchedulerConfig set = SchedulerCatalog.Configure(default, "DDIM", options),
            other = SchedulerCatalog.Configure(default, "DDIM", null);
        Assert.Equal(2.5, SchedulerOptions.Get(set, "sample_max_value"));
        Assert.Equal(1.0, SchedulerOptions.Get(other, "sample_max_value"));
        Assert.Equal(true, SchedulerOptions.Get(other, "clip_sample"));
    }

    [Theory]
    [InlineData("EulerDiscreteScheduler", new[] { 1, 2, 3, 4 })]
    [InlineData("HeunDiscreteScheduler", new[] { 2, 2, 4, 4, 6, 6, 7 })]
    [InlineData("KDPM2DiscreteScheduler", new[] { 2, 2, 4, 4, 6, 6, 7 })]
    [InlineData("KDPM2AncestralDiscreteScheduler", new[] { 2, 2, 4, 4, 6, 6, 7 })]
    [InlineData("FlowMatchHeunDiscreteScheduler", new[] { 2, 2, 4, 4, 6, 6, 7 })]
    [InlineData("DPMSolverSinglestepScheduler", new[] { 1, 2, 3, 4 })]
    public void A_step_ends_where_its_last_evaluation_leads(string name, int[] ends)
    {
        IScheduler scheduler = SchedulerCatalog.Configure(default, name, null).Build(new() { NumInferenceSteps = 4 });
        Assert.Equal(ends, Enumerable.Range(0, scheduler.Evaluations).Select(scheduler.StepEnd));
        Assert.Throws<ArgumentOutOfRangeException>(() => scheduler.StepEnd(scheduler.Evaluations));
        Assert.Throws<ArgumentOutOfRangeException>(() => scheduler.StepEnd(-1));
    }
}
