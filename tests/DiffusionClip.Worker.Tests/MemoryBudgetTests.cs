using DiffusionClip.Onnx;
using Microsoft.Extensions.Options;

namespace DiffusionClip.Worker.Tests;

/// <summary>The queue and the store of models keep to one budget, wherever it is configured.</summary>
public class MemoryBudgetTests
{
    [Theory]
    [InlineData("--DiffusionClip:Runtime:MemoryBudget=3000000000", 3_000_000_000)]
    [InlineData("--Worker:Queue:MemoryBudget=2000000000", 2_000_000_000)]
    public async Task The_configured_budget_is_the_stores(string argument, long budget)
    {
        await using WebApplication application = WorkerApplication.Build([argument]);
        Assert.Equal(budget, application.Services.GetRequiredService<IOptions<OnnxOptions>>().Value.MemoryBudget);
        Assert.Equal(budget, application.Services.GetRequiredService<OnnxOptions>().MemoryBudget);
    }

    [Fact]
    public async Task Without_one_it_is_half_of_the_memory()
    {
        await using WebApplication application = WorkerApplication.Build([]);
        Assert.Equal(Jobs.JobQueue.HalfOfMemory, application.Services.GetRequiredService<OnnxOptions>().MemoryBudget);
    }
}
