using System.Text.Json;
using DiffusionClip.Conditioning.Prompts;
using DiffusionClip.Denoising;
using DiffusionClip.Runtime;

namespace DiffusionClip.Conditioning;

public sealed class PromptPlanTests
{
    private static readonly JsonElement NoConfig = JsonSerializer.SerializeToElement(new { });
    private static readonly PromptSteps Ten = PromptSteps.OfOneEvaluation(10);

    [Fact]
    public void A_prompt_without_syntax_is_one_conditioning_of_its_own_tokens()
    {
        PromptPlan plan = Plan("a cat", "blurry");
        var encoder = new FakeEncoder();
        ConditioningSchedule schedule = Schedule(plan, encoder, guided: true);
        Assert.Equal(77, schedule.SequenceLength);
        Assert.Same(schedule.At(0), schedule.At(9));
        Assert.Equal(
            encoder.Encode(PromptWindowsTests.Tokenizer.Tokenize("a cat", 77).Ids.Span, default).LastHiddenState.ToArray(),
            schedule.At(0).Positive.PromptEmbeds.ToArray());
        Assert.Equal(
            encoder.Encode(PromptWindowsTests.Tokenizer.Tokenize("blurry", 77).Ids.Span, default).LastHiddenState.ToArray(),
            schedule.At(0).Negative!.PromptEmbeds.ToArray());
        Assert.Empty(plan.Warnings);
        Assert.Equal(
            [("prompt", 2, 0, 1, 0), ("negative", plan.Texts[1].Tokens, 0, 1, 0)],
            plan.Texts.Select(text => (text.Role, text.Tokens, text.TokensDropped, text.Windows, text.Edits)));
    }

    [Fact]
    public void Both_sides_have_as_many_windows_as_the_longer()
    {
        PromptPlan plan = Plan("a BREAK b BREAK c", "");
        Assert.Equal(3 * 77, Schedule(plan, new FakeEncoder(), guided: true).At(0).Negative!.SequenceLength);
        Assert.Equal([3, 1], plan.Texts.Select(text => text.Windows));

        // What guidance does not look at does not lengthen the prompt.
        PromptPlan long_ = Plan("a", "a BREAK b");
        ConditioningSchedule schedule = Schedule(long_, new FakeEncoder(), guided: false);
        Assert.Null(schedule.At(0).Negative);
        Assert.Equal(77, schedule.SequenceLength);
        Assert.Equal(2 * 77, Schedule(long_, new FakeEncoder(), guided: true).SequenceLength);
    }

    [Fact]
    public void Edits_of_both_sides_are_segments()
    {
        var encoder = new FakeEncoder();
        ConditioningSchedule schedule = Schedule(Plan("[cat:dog:4]", "[x:y:0.7]"), encoder, guided: true);
        Assert.Equal(4, encoder.Calls);
        Assert.Same(schedule.At(0), schedule.At(3));
        Assert.NotSame(schedule.At(3).Positive, schedule.At(4).Positive);
        Assert.Same(schedule.At(3).Negative, schedule.At(4).Negative);
        Assert.Same(schedule.At(4).Positive, schedule.At(7).Positive);
        Assert.NotSame(schedule.At(6).Negative, schedule.At(7).Negative);
        Assert.Same(schedule.At(7), schedule.At(9));
    }

    [Fact]
    public void Alternations_encode_each_text_once()
    {
        var encoder = new FakeEncoder();
        ConditioningSchedule schedule = Schedule(Plan("[cat|dog]", ""), encoder, guided: false);
        Assert.Equal(2, encoder.Calls);
        for (int evaluation = 2; evaluation < 10; evaluation++)
        {
            Assert.Same(schedule.At(evaluation - 2).Positive, schedule.At(evaluation).Positive);
            Assert.NotSame(schedule.At(evaluation - 1).Positive, schedule.At(evaluation).Positive);
        }
    }

    [Fact]
    public void Two_evaluations_of_a_step_see_one_text()
    {
        IScheduler heun = SchedulerCatalog.Configure(NoConfig, "heun", null).Build(new ScheduleRequest { NumInferenceSteps = 10 });
        Assert.Equal(19, heun.Evaluations);
        ConditioningSchedule schedule = Schedule(Plan("[cat|dog]", "", PromptSteps.Of(heun, 10)), new FakeEncoder(), guided: false);
        for (int step = 0; step < 9; step++)
        {
            Assert.Same(schedule.At(2 * step), schedule.At((2 * step) + 1));
            Assert.NotSame(schedule.At((2 * step) + 1).Positive, schedule.At((2 * step) + 2).Positive);
        }
    }

    [Fact]
    public void Steps_begin_in_order_and_at_boundaries()
    {
        foreach (SchedulerDescriptor entry in SchedulerCatalog.All)
        {
            foreach (int steps in new[] { 1, 2, 7, 20 })
            {
                IScheduler scheduler;
                try
                {
                    scheduler = SchedulerCatalog
                        .Configure(NoConfig, entry.ClassName, null)
                        .Build(new ScheduleRequest { NumInferenceSteps = steps });
                }
                catch (InvalidRequestException)
                {
                    continue;
                }

                var mapped = PromptSteps.Of(scheduler, steps);
                Assert.Equal(steps, mapped.Count);
                Assert.Equal(0, mapped.Begin(0));
                Assert.Equal(scheduler.Evaluations, mapped.Begin(steps));
                for (int step = 1; step <= steps; step++)
                {
                    Assert.True(mapped.Begin(step) > mapped.Begin(step - 1), $"{entry.ClassName}, step {step} of {steps}");
                    Assert.True(
                        scheduler.Evaluations == steps || scheduler.IsBoundary(mapped.Begin(step)),
                        $"{entry.ClassName}, step {step} of {steps}");
                }
            }
        }
    }

    [Fact]
    public void Tags_are_warned_of_and_reach_no_tokenizer()
    {
        PromptPlan plan = Plan("a cat <lora:x:1>", "embedding:bad");
        Assert.Equal(
            [
                "prompt: '<lora:x:1>' is not supported; it was left out",
                "negative_prompt: 'embedding:bad' is not supported; it was left out",
            ],
            plan.Warnings);
        Assert.Equal([2, 0], plan.Texts.Select(text => text.Tokens));
        Assert.Equal(10, Plan(string.Concat(Enumerable.Range(0, 3000).Select(i => $"<lora:{i}:1>")) + "(a:1.2.3)", "").Warnings.Count);
    }

    [Fact]
    public void Plain_prompts_are_letters()
    {
        PromptPlan plan = Plan("a (cat:1.2) [dog:3] BREAK <lora:x:1>", "", syntax: PromptSyntax.Plain);
        Assert.Empty(plan.Warnings);
        PromptWindow window = Assert.Single(((PromptWindows)plan.Positive.Segments.Single().Encoders[0]).Windows);
        Assert.Equal(PromptWindowsTests.Tokenizer.Tokenize("a (cat:1.2) [dog:3] BREAK <lora:x:1>", 77).Ids.ToArray(), window.Ids.ToArray());
        Assert.False(window.IsWeighted);
    }

    [Fact]
    public void Edits_are_bounded()
    {
        // 1000 texts of 2 windows each.
        string alternation = $"[{string.Join('|', Enumerable.Range(0, 1000))}]";
        var thousand = PromptSteps.OfOneEvaluation(1000);
        InvalidRequestException error = Assert.Throws<InvalidRequestException>(() =>
            Plan(alternation + string.Concat(Enumerable.Repeat("a ", 100)), "", thousand));
        Assert.Equal("prompt", error.Field);
        Assert.Throws<InvalidRequestException>(() => Plan("", alternation + new string(' ', 60_000), thousand));

        // As many as there are steps, of one window each, are fine.
        Assert.Equal(999, Plan(alternation, "", thousand).Texts[0].Edits);
    }

    private static PromptPlan Plan(string prompt, string negative, PromptSteps? steps = null, PromptSyntax? syntax = null) =>
        PromptPlan.Of(
            [77],
            [PromptWindowsTests.Tokenizer],
            new PromptRequest
            {
                Text = prompt,
                Negative = negative,
                Syntax = syntax,
            },
            steps ?? Ten);

    private static ConditioningSchedule Schedule(PromptPlan plan, FakeEncoder encoder, bool guided)
    {
        var windows = new WindowEncoder(encoder);
        return plan.Schedule(guided, (texts, _) =>
        {
            EncodedWindows encoded = windows.Encode((PromptWindows)texts[0], default);
            return new TextConditioning(encoded.HiddenStates, encoded.SequenceLength);
        });
    }
}
