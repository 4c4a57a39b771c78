using System.Text;
using CsCheck;

namespace DiffusionClip.Tokenization;

public sealed class CanonicalCompositionTests
{
    [Fact]
    public void Long_rows_of_marks_come_out_as_the_librarys_do()
    {
        // Marks of many classes, of class 0, that decompose, and beyond U+FFFF.
        string[] marks =
        [
            "\u0301",
            "\u0323",
            "\u0334",
            "\u0345",
            "\u0344",
            "\u0340",
            "\u05B0",
            "\u064B",
            "\u093C",
            "\u0903",
            "\u0488",
            "\u3099",
            "\U0001D165",
            "\U0001D1AA",
            "\u0F73",
        ];
        Gen.Int[0, marks.Length - 1]
            .Array[150, 400]
            .Sample(indices =>
            {
                string text = "xa" + string.Concat(indices.Select(i => marks[i])) + "e\u0301";
                Assert.Equal(text.Normalize(NormalizationForm.FormC), CanonicalComposition.Compose(text));
            });
    }

    [Fact]
    public void A_megabyte_of_marks_in_disorder_is_composed()
    {
        string text = "a" + new StringBuilder().Insert(0, "\u0301\u0323", 1 << 19);
        string composed = CanonicalComposition.Compose(text);
        Assert.Equal("ạ" + new string('\u0323', (1 << 19) - 1) + new string('\u0301', 1 << 19), composed);
    }

    [Fact]
    public void Pairs_stay_whole_in_a_long_text()
    {
        string text = new StringBuilder().Insert(0, "😀 e\u0301 \U0001D165", 100).ToString();
        Assert.Equal(text.Normalize(NormalizationForm.FormC), CanonicalComposition.Compose(text));
    }

    [Fact]
    public void Noncharacters_pass() =>
        Assert.Equal("é\uFFFEé\uFFFE\uFFFF", CanonicalComposition.Compose("e\u0301\uFFFEe\u0301\uFFFE\uFFFF"));
}
