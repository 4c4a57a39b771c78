using DiffusionClip.Models;
using DiffusionClip.Runtime;
using Microsoft.ML.OnnxRuntime;

namespace DiffusionClip.Onnx;

public sealed class ExecutionProviderTests
{
    [Fact]
    public async Task One_that_is_asked_for_and_absent_is_an_error_that_says_which_there_are()
    {
        using OnnxModelStore store = new(new(), Loading.Loaders);
        IReadOnlyList<string> available = ExecutionProviders.Available();
        Assert.Contains("cpu", available);
        string absent = new[] { "cuda", "dml" }.First(name => !available.Contains(name));
        ExecutionProviderException exception = await Assert.ThrowsAsync<ExecutionProviderException>(() =>
            store.LeaseAsync<ClipLease>(
                new() { Folder = ClipFolder.Open(Loading.Tiny("clip-tiny-random")), Provider = absent },
                CancellationToken.None));
        Assert.Contains($"'{absent}'", exception.Message, StringComparison.Ordinal);
        Assert.Contains($"available are {string.Join(", ", available)}", exception.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidRequestException>(() =>
            store.LeaseAsync<ClipLease>(
                new() { Folder = ClipFolder.Open(Loading.Tiny("clip-tiny-random")), Provider = "gpu" },
                CancellationToken.None));
    }

    [Fact]
    public async Task Auto_says_why_it_fell_back()
    {
        Assert.SkipUnless(ExecutionProviders.Available() is ["cpu"], "this build has another provider");
        using OnnxModelStore store = new(new(), Loading.Loaders);
        using ClipLease lease = await store.LeaseAsync<ClipLease>(
            new() { Folder = ClipFolder.Open(Loading.Tiny("clip-tiny-random")), Provider = "AUTO" },
            CancellationToken.None);
        Assert.Equal("cpu", lease.Provider.Name);
        Assert.Equal("provider auto fell back to cpu: this build of ONNX Runtime has no cuda and no dml", lease.Provider.FallbackReason);
    }

    [Fact]
    public void Auto_takes_the_first_that_can_be_set_up()
    {
        Assert.Equal(new("dml"), ExecutionProviders.Choose("auto", _ => { }, ["dml", "cpu"]));
        ProviderInUse fallen = ExecutionProviders.Choose("auto", name => Fail(name == "dml"), ["dml", "cpu"]);
        Assert.Equal("cpu", fallen.Name);
        Assert.Contains("no cuda; dml cannot be used on this machine", fallen.FallbackReason!, StringComparison.Ordinal);

        ExecutionProviderException exception = Assert.Throws<ExecutionProviderException>(() =>
            ExecutionProviders.Choose("dml", name => Fail(name == "dml"), ["dml", "cpu"]));
        Assert.Contains("'dml' cannot be used on this machine", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    private static void Fail(bool fails)
    {
        if (fails)
        {
            throw new DllNotFoundException("no device\nat all");
        }
    }

    [Fact]
    public void The_environment_is_ours_and_made_once()
    {
        Assert.True(OrtEnv.IsCreated || Loading.Environment.HasGlobalPool);
        Assert.Same(Loading.Environment, Loading.Environment);
        Assert.True(Loading.Environment.HasGlobalPool);
        Assert.InRange(OnnxEnvironment.PhysicalCores(), 1, System.Environment.ProcessorCount);
    }
}
