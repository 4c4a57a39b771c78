using DiffusionClip.Models;

namespace DiffusionClip.Scoring;

public sealed class ClipMetricsTests
{
    [Fact]
    public void Scores_do_not_fall_below_nothing()
    {
        Assert.Equal((0f, 0f), (ClipMetrics.ClipScore100(-0.3f), ClipMetrics.ClipScore(-0.3f)));
        Assert.Equal(30, ClipMetrics.ClipScore100(0.3f), 1e-5f);
        Assert.Equal(0.75f, ClipMetrics.ClipScore(0.3f), 1e-6f);
        Assert.Equal(0, ClipMetrics.RefClipScore(0.5f, [-0.1f, -0.2f]));
        Assert.Equal(0, ClipMetrics.RefClipScore(-0.5f, [0.9f]));

        // The best reference counts.
        Assert.Equal(2 * 0.75f * 0.5f / 1.25f, ClipMetrics.RefClipScore(0.3f, [0.1f, 0.5f]), 1e-6f);
    }

    [Fact]
    public void Probabilities_add_up_however_large_the_scale()
    {
        foreach (float scale in new[] { 0.01f, 1, 100, 1e6f })
        {
            float[] probabilities = ClipMetrics.Probabilities([0.3f, -0.9f, 0.31f], scale);
            Assert.Equal(1, probabilities.Sum(), 1e-6f);
            Assert.True(probabilities[2] >= probabilities[0] && probabilities[0] >= probabilities[1]);
        }

        Assert.Empty(ClipMetrics.Probabilities([], 100));
        Assert.Equal(0.5f, ClipMetrics.MatchProbability(0.3f, new ClipLogits(10, -3)), 1e-6f);
        Assert.Equal(1, ClipMetrics.MatchProbability(1, new ClipLogits(1000, 0)));
        Assert.Equal(0, ClipMetrics.MatchProbability(-1, new ClipLogits(1000, 0)));
    }
}
