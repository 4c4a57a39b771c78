using DiffusionClip.Denoising;

namespace DiffusionClip.Cli.Tests;

public class ReadmeTests
{
    /// <summary>A sampler that is added or renamed belongs into the README's table, under the class it equals.</summary>
    [Fact]
    public void The_table_of_samplers_is_the_catalog()
    {
        string readme = File.ReadAllText(Path.Combine(Golden.Repository, "README.md"));
        string section = readme.Split("\n## Samplers\n")[1].Split("\n## ")[0];
        string[][] rows =
        [
            .. section
                .Split('\n')
                .Where(line => line.StartsWith("| ", StringComparison.Ordinal))
                .Skip(1)
                .Select(line => line.Split('|', StringSplitOptions.TrimEntries)[1..^1]),
        ];
        Assert.Equal(SchedulerCatalog.All.Select(sampler => sampler.Label), rows.Select(row => row[0]));
        foreach ((SchedulerDescriptor sampler, string[] row) in SchedulerCatalog.All.Zip(rows))
        {
            Assert.True(
                row[1].Contains(sampler.ClassName, StringComparison.Ordinal)
                    || row[1].StartsWith("the same", StringComparison.Ordinal)
                    || row[1].StartsWith("and", StringComparison.Ordinal),
                row[0]);
            foreach (string alias in row[2].Split(", ", StringSplitOptions.RemoveEmptyEntries))
            {
                Assert.Contains(alias.Trim('`'), sampler.Aliases);
            }
        }
    }
}
