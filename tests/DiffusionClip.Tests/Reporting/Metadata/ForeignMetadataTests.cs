using System.Text.Json;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>What the golden table leaves open in the formats of other programs.</summary>
public sealed class ForeignMetadataTests
{
    private const string Loader = """
        "4":{"class_type":"CheckpointLoaderSimple","inputs":{"ckpt_name":"a/b.safetensors"}},
        "5":{"class_type":"EmptyLatentImage","inputs":{"width":["20",0],"height":64,"batch_size":1}},
        "20":{"class_type":"PrimitiveInt","inputs":{"value":["21",0]}},"21":{"class_type":"Reroute","inputs":{"":["22",0]}},"22":{"class_type":"Seed","inputs":{"seed":128}},
        "6":{"class_type":"CLIPTextEncode","inputs":{"text":"good","clip":["4",1]}},
        "7":{"class_type":"CLIPTextEncode","inputs":{"text":"bad","clip":["4",1]}},
        """;

    [Fact]
    public void Values_are_looked_up_through_any_number_of_links()
    {
        PictureMetadata read = Comfy("""
            "3":{"class_type":"KSampler","inputs":{"seed":["22",0],"steps":["21",0],"cfg":7,"sampler_name":"euler","scheduler":"normal","denoise":1,"model":["30",0],"positive":["31",0],"negative":["7",0],"latent_image":["32",0]}},
            "30":{"class_type":"Reroute","inputs":{"":["4",0]}},"31":{"class_type":"Reroute","inputs":{"":["6",0]}},"32":{"class_type":"RepeatLatentBatch","inputs":{"samples":["5",0],"amount":2}},
            "8":{"class_type":"VAEDecode","inputs":{"samples":["3",0],"vae":["4",2]}},"9":{"class_type":"PreviewImage","inputs":{"images":["8",0]}}
            """);
        Assert.Equal(("good", "bad", 128, "128", 128, 64, "b"), (read.Prompt, read.NegativePrompt, read.Steps, read.Seed, read.Width, read.Height, read.Model));
    }

    [Fact]
    public void What_was_saved_decides_not_what_came_first()
    {
        const string Sampler = """{"class_type":"KSampler","inputs":{"seed":SEED,"steps":5,"cfg":7,"sampler_name":"euler","scheduler":"normal","denoise":1,"model":["4",0],"positive":["6",0],"negative":["7",0],"latent_image":["5",0]}}""";
        PictureMetadata read = Comfy($"""
            "1":{Sampler.Replace("SEED", "1", StringComparison.Ordinal)},"2":{Sampler.Replace("SEED", "2", StringComparison.Ordinal)},
            "10":{"{"}"class_type":"PreviewImage","inputs":{"{"}"images":["1",0]{"}}"},"11":{"{"}"class_type":"SaveImage","inputs":{"{"}"images":["2",0]{"}}"}
            """);
        Assert.Equal("2", read.Seed);
    }

    [Fact]
    public void A_guider_with_two_sides_and_encoders_with_two_texts_are_read()
    {
        PictureMetadata read = Comfy("""
            "3":{"class_type":"SamplerCustomAdvanced","inputs":{"noise":["23",0],"guider":["24",0],"sampler":["25",0],"sigmas":["26",0],"latent_image":["5",0]}},
            "23":{"class_type":"RandomNoise","inputs":{"noise_seed":18446744073709551615}},
            "24":{"class_type":"CFGGuider","inputs":{"cfg":4.5,"model":["4",0],"positive":["27",0],"negative":["28",0]}},
            "25":{"class_type":"KSamplerSelect","inputs":{"sampler_name":"heun"}},
            "26":{"class_type":"SplitSigmas","inputs":{"step":3,"sigmas":["29",0]}},"29":{"class_type":"BasicScheduler","inputs":{"scheduler":"beta","steps":9,"denoise":0.5,"model":["4",0]}},
            "27":{"class_type":"CLIPTextEncodeSDXL","inputs":{"text_g":"big","text_l":"small","width":9,"height":9,"clip":["4",1]}},
            "28":{"class_type":"CLIPTextEncodeSDXL","inputs":{"text_g":"same","text_l":"same","clip":["4",1]}},
            "8":{"class_type":"VAEDecode","inputs":{"samples":["3",0],"vae":["4",2]}},"9":{"class_type":"SaveImage","inputs":{"images":["8",0]}}
            """);
        Assert.Equal(("big\nsmall", "same", 4.5, "18446744073709551615", "heun", "beta", 9, 0.5),
            (read.Prompt, read.NegativePrompt, read.CfgScale, read.Seed, read.Sampler, read.Scheduler, read.Steps, read.DenoisingStrength));
    }

    [Fact]
    public void A_control_picture_brings_no_words_into_the_prompt()
    {
        PictureMetadata read = Comfy("""
            "3":{"class_type":"KSampler","inputs":{"seed":1,"steps":5,"cfg":7,"sampler_name":"euler","scheduler":"normal","model":["4",0],"positive":["40",0],"negative":["7",0],"latent_image":["5",0]}},
            "40":{"class_type":"ControlNetApply","inputs":{"image":["41",0],"control_net":["42",0],"conditioning":["6",0],"strength":1}},
            "41":{"class_type":"TextToPicture","inputs":{"text":"letters"}},"42":{"class_type":"ControlNetLoader","inputs":{"control_net_name":"x"}},
            "8":{"class_type":"VAEDecode","inputs":{"samples":["3",0],"vae":["4",2]}},"9":{"class_type":"SaveImage","inputs":{"images":["8",0]}}
            """);
        Assert.Equal("good", read.Prompt);
    }

    [Theory]
    [InlineData("a fox")]
    [InlineData("{}")]
    [InlineData("{\"1\":{}}")]
    [InlineData("[1]")]
    public void What_is_no_graph_is_nothing(string text) => Assert.Null(PictureMetadataFormats.Read([new("prompt", text)]).Format);

    [Fact]
    public void A_damaged_source_gives_way_to_the_next_and_is_noted()
    {
        PictureMetadata read = PictureMetadataFormats.Read([
            new("parameters", "  "),
            new("invokeai_metadata", "{"),
            new("negative_prompt", "n"),
            new("prompt", "p"),
        ]);
        Assert.Equal(("easydiffusion", "p", "n"), (read.Format, read.Prompt, read.NegativePrompt));
        Assert.StartsWith("invokeai_metadata", Assert.Single(read.Notes!), StringComparison.Ordinal);
    }

    [Fact]
    public void Adapters_of_InvokeAI_3_and_SwarmUI_are_read()
    {
        PictureMetadata invoke = PictureMetadataFormats.Read([new("invokeai_metadata", """{"seed":1,"loras":[{"lora":{"model_name":"ink","base_model":"sd-1"},"weight":0.5}]}""")]);
        Assert.Equal([new LoraMetadata("ink", 0.5)], invoke.Loras);
        PictureMetadata swarm = PictureMetadataFormats.Read([new("parameters", """{"sui_image_params":{"loras":["a/ink","b"],"loraweights":[0.5]},"sui_models":[{"name":"a/ink.safetensors","param":"loras","hash":"0xAB"}]}""")]);
        Assert.Equal([new LoraMetadata("ink", 0.5, "AB"), new LoraMetadata("b", null)], swarm.Loras);
    }

    [Theory]
    [InlineData("Steps: 5, Seed: 5.0, Size: 64x64", null)]
    [InlineData("Steps: 5, Seed: 007 , Size: 64x64", "007")]
    [InlineData("Steps: 5, Seed: 99999999999999999999999, Size: 64x64", "99999999999999999999999")]
    public void A_seed_is_digits_or_stays_where_it_was(string text, string? seed)
    {
        PictureMetadata read = PictureMetadataFormats.Read([new("parameters", text)]);
        Assert.Equal(seed, read.Seed);
        Assert.Equal(seed is null, read.Extras?.ContainsKey("Seed") ?? false);
    }

    [Theory]
    [InlineData("1E3", "1000")]
    [InlineData("5.0", "5")]
    [InlineData("5.5", null)]
    [InlineData("true", null)]
    [InlineData("\"12\"", "12")]
    public void A_seed_in_JSON_is_a_whole_number(string value, string? seed) =>
        Assert.Equal(seed, PictureMetadataFormats.Read([new("invokeai_metadata", $"{{\"seed\":{value}}}")]).Seed);

    [Fact]
    public void Words_taken_for_parameters_are_noted()
    {
        Assert.Single(PictureMetadataFormats.Read([new("parameters", "colours: red, mood: calm, lens: wide")]).Notes!);
        Assert.Null(PictureMetadataFormats.Read([new("parameters", "a\nSteps: 1, mood: calm, lens: wide")]).Notes);
    }

    [Fact]
    public void Fields_are_pairs_in_JSON()
    {
        var field = new InfotextField("Steps", "20");
        string json = JsonSerializer.Serialize(field, DiffusionClipJson.Compact);
        Assert.Equal("""["Steps","20"]""", json);
        Assert.Equal(field, JsonSerializer.Deserialize<InfotextField>(json, DiffusionClipJson.Compact));
    }

    private static PictureMetadata Comfy(string nodes) => PictureMetadataFormats.Read([new("prompt", "{" + Loader + nodes + "}")]);
}
