using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace DiffusionClip.Hosting;

public sealed class OptionsTests
{
    [Theory]
    [InlineData("DiffusionClip:Candidatez", "4", "Candidates")]
    [InlineData("DiffusionClip:Plan:BatchedGuidence", "true", "BatchedGuidance")]
    [InlineData("DiffusionClip:Limits:Side", "-1", "8 to 16384")]
    [InlineData("DiffusionClip:Limits:Side", "16385", "8 to 16384")]
    [InlineData("DiffusionClip:Candidates", "0", "1 to 1024")]
    [InlineData("DiffusionClip:Runtime:MemoryBudgt", "1", "MemoryBudget")]
    [InlineData("DiffusionClip:Runtime:MemoryBudget", "0", "1048576 to")]
    [InlineData("DiffusionClip:Runtime:KeepLoaded", "-1", "0 to 1000")]
    [InlineData("DiffusionClip:Runtime:Threads", "0", "1 to 1024")]
    [InlineData("DiffusionClip:Candidates", "many", "many")]
    public void What_is_not_understood_is_an_error_that_names_it(string key, string value, string remedy)
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection([new(key, value)]).Build();
        InvalidRequestException exception = Assert.Throws<InvalidRequestException>(() =>
            new ServiceCollection().AddDiffusionClip(configuration));
        Assert.Contains(key.Split(':')[^1], exception.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_file_of_defaults_holds_the_defaults()
    {
        IConfiguration file = new ConfigurationBuilder().AddJsonFile(Path.Combine(Golden.Repository, "appsettings.json")).Build();
        DiffusionClipOptions fromFile = OptionsReader.Read(file);
        DiffusionClipOptions built = OptionsReader.Read(new ConfigurationBuilder().Build());
        built.ModelFolders = ["models"];
        Assert.Equivalent(built, fromFile, strict: true);
    }
}
