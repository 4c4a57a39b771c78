using CsCheck;

namespace DiffusionClip.Cli.Inputs;

public sealed class NaturalOrderTests
{
    [Fact]
    public void Numbers_count_and_folders_stay_together()
    {
        string[] ordered = ["a/02.png", "a/2.png", "a/10.png", "a/b.png", "a1/1.png", "a2.png", "a10.png", "ab.png"];
        Assert.Equal(ordered, ordered.Reverse().Order(NaturalOrder.Instance));
    }

    [Fact]
    public void It_is_an_order() => Check.Sample(
        Gen.String[Gen.Char["a0129/"], 0, 6].Array[3],
        names =>
        {
            NaturalOrder order = NaturalOrder.Instance;
            (string a, string b, string c) = (names[0], names[1], names[2]);
            Assert.Equal(Math.Sign(order.Compare(a, b)), -Math.Sign(order.Compare(b, a)));
            Assert.Equal(a == b, order.Compare(a, b) == 0);
            if (order.Compare(a, b) <= 0 && order.Compare(b, c) <= 0)
            {
                Assert.True(order.Compare(a, c) <= 0, $"{a} {b} {c}");
            }
        });
}
