using System.Text.Json;
using DiffusionClip.Imaging;
using DiffusionClip.Imaging.Resampling;
using DiffusionClip.Models;

namespace DiffusionClip.Scoring;

public sealed class ClipPreprocessingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("preprocessing").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private ClipPreprocessing Read(string name, string json, int? imageSize = 224)
    {
        string path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, json);
        return ClipPreprocessing.ReadFolder(_folder, imageSize);
    }

    [Fact]
    public void Without_a_file_the_size_of_the_tower_gives_the_defaults()
    {
        ClipPreprocessing read = ClipPreprocessing.ReadFolder(_folder, 336);
        Assert.Equal("defaults", read.Source);
        Assert.Equal(
            "shortest 336 bicubic, centre crop 336x336, mean 0.48145466 0.4578275 0.40821073, std 0.26862954 0.26130258 0.27577711",
            read.Description);
    }

    [Theory]
    [InlineData("\uFEFF{\"size\": 64, \"crop_size\": 64}")]
    [InlineData("{\"size\": 64, \"crop_size\": 64, \"note\": NaN, \"other\": [-Infinity]}")]
    public void What_editors_and_Python_write_beside_JSON_is_read(string json) =>
        Assert.Equal(64, Read("preprocessor_config.json", json).Width);

    [Fact]
    public void What_is_no_file_of_settings_is_refused_at_once()
    {
        string path = Path.Combine(_folder, "preprocessor_config.json");
        File.WriteAllText(path, "version https://git-lfs.github.com/spec/v1");
        Refused("a Git LFS pointer");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "made with the programs of Linux");
        File.Delete(path);
        using (var made = System.Diagnostics.Process.Start("mkfifo", path))
        {
            made.WaitForExit();
        }

        // Nothing writes into the pipe: opening it would wait for ever.
        Refused("not a regular file");
        void Refused(string problem)
        {
            ModelFolderException exception = Assert.Throws<ModelFolderException>(() => ClipPreprocessing.ReadFolder(_folder, 224));
            Assert.Equal(path, exception.Path);
            Assert.Contains(problem, exception.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_configuration_of_a_clip_processor_is_read()
    {
        ClipPreprocessing read = Read("preprocessor_config.json", """
            {"crop_size": {"height": 48, "width": 40}, "do_center_crop": true, "do_resize": true, "resample": 1, "size": {"shortest_edge": 64},
             "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "rescale_factor": 0.5, "image_processor_type": "CLIPImageProcessor"}
            """);
        Assert.Equal("shortest 64 lanczos, centre crop 40x48, scale 0.5, mean 0.1 0.2 0.3, std 0.4 0.5 0.6", read.Description);
        Assert.Equal(3 * 48 * 40, read.Length);
        Assert.Equal((64, 128, 12, 40), read.Geometry(100, 200));
    }

    [Theory]
    [InlineData("""{"size": 32, "crop_size": 32, "feature_extractor_type": "CLIPFeatureExtractor"}""", "shortest 32 bicubic, centre crop 32x32")]
    [InlineData("""{"size": {"height": 32, "width": 24}, "image_processor_type": "SiglipImageProcessor"}""", "squash 24x32 bicubic, mean 0.5 0.5 0.5")]
    [InlineData("""{"size": 32, "image_processor_type": "ViTImageProcessor"}""", "squash 32x32 bilinear, mean 0.5")]
    [InlineData("""{"size": {"shortest_edge": 32}, "crop_size": 32, "do_normalize": false, "do_rescale": false}""", "shortest 32 bicubic, centre crop 32x32, scale 1, mean 0 0 0, std 1 1 1")]
    [InlineData("""{"do_resize": false, "crop_size": 32}""", "centre crop 32x32")]
    [InlineData("{}", "shortest 224 bicubic, centre crop 224x224")]
    public void Older_and_other_processors_are_read(string json, string description) =>
        Assert.StartsWith(description, Read("preprocessor_config.json", json).Description, StringComparison.Ordinal);

    [Fact]
    public void The_image_part_of_a_processor_is_read() =>
        Assert.Equal(48, Read("processor_config.json", """{"image_processor": {"size": {"shortest_edge": 48}, "crop_size": 48}, "processor_class": "CLIPProcessor"}""").Width);

    [Theory]
    [InlineData("preprocess_cfg.json", """{"size": [48, 48], "mode": "RGB", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0}""", "shortest 48 bicubic, centre crop 48x48 half to even")]
    [InlineData("visual/preprocess_cfg.json", """{"size": 48, "resize_mode": "squash", "interpolation": "bilinear"}""", "squash 48x48 bilinear, mean")]
    [InlineData("open_clip_config.json", """{"model_cfg": {}, "preprocess_cfg": {"size": 48, "resize_mode": "longest", "fill_color": 7}}""", "longest 48x48 bicubic, centre crop 48x48 half to even fill 7")]
    public void Open_clip_settings_are_read(string name, string json, string description) =>
        Assert.StartsWith(description, Read(name, json).Description, StringComparison.Ordinal);

    [Theory]
    [InlineData("preprocessor_config.json", """{"size": {"shortest_edge": 0}}""", "size")]
    [InlineData("preprocessor_config.json", """{"size": "large"}""", "size")]
    [InlineData("preprocessor_config.json", """{"size": {"longest_edge": 3}}""", "size")]
    [InlineData("preprocessor_config.json", """{"crop_size": [1, 2, 3]}""", "crop_size")]
    [InlineData("preprocessor_config.json", """{"resample": 9}""", "resample")]
    [InlineData("preprocessor_config.json", """{"image_mean": [1, 2]}""", "image_mean")]
    [InlineData("preprocessor_config.json", """{"image_std": [1, 0, 1]}""", "image_std")]
    [InlineData("preprocessor_config.json", """{"do_resize": "yes"}""", "do_resize")]
    [InlineData("preprocessor_config.json", """{"image_processor_type": "Siglip2ImageProcessor", "max_num_patches": 256}""", "image_processor_type")]
    [InlineData("preprocessor_config.json", "[]", "object")]
    [InlineData("preprocessor_config.json", "{", "JSON")]
    [InlineData("processor_config.json", "{}", "image_processor")]
    [InlineData("preprocess_cfg.json", """{"mode": "L"}""", "mode")]
    [InlineData("preprocess_cfg.json", """{"interpolation": "magic"}""", "interpolation")]
    [InlineData("preprocess_cfg.json", """{"resize_mode": "crop"}""", "resize_mode")]
    [InlineData("preprocess_cfg.json", """{"fill_color": 300}""", "fill_color")]
    public void What_cannot_be_used_is_named(string name, string json, string named)
    {
        ModelFolderException error = Assert.Throws<ModelFolderException>(() => Read(name, json));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.EndsWith(name, error.Path, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData(CropRounding.Down, 8, 11, 1)]
    [InlineData(CropRounding.HalfToEven, 8, 11, 2)]
    [InlineData(CropRounding.Down, 8, 9, 0)]
    [InlineData(CropRounding.HalfToEven, 8, 9, 0)]
    [InlineData(CropRounding.Down, 8, 5, -2)]
    [InlineData(CropRounding.HalfToEven, 8, 5, -1)]
    public void Odd_margins_are_cut_and_padded_as_each_library_does(CropRounding rounding, int crop, int length, int start)
    {
        ClipPreprocessing preprocessing = new() { Resize = PreprocessingResize.None, Width = crop, Height = crop, Rounding = rounding };
        Assert.Equal((length, length, start, start), preprocessing.Geometry(length, length));
    }

    [Fact]
    public void The_longest_side_fits_and_the_rest_is_filled()
    {
        ClipPreprocessing preprocessing = new()
        {
            Resize = PreprocessingResize.Longest,
            ResizeWidth = 8,
            ResizeHeight = 8,
            Width = 8,
            Height = 8,
            Rounding = CropRounding.HalfToEven,
            Fill = 9,
            Mean = [0, 0, 0],
            Std = [1, 1, 1],
            RescaleFactor = 1,
        };
        Assert.Equal((8, 4, 0, -2), preprocessing.Geometry(20, 10));
        float[] values = new float[preprocessing.Length];
        preprocessing.Apply(Pictures.Flat(20, 10, 50, 60, 70), values);
        for (int i = 0; i < 64; i++)
        {
            bool inside = i / 8 is >= 2 and < 6;
            Assert.Equal(inside ? 50 : 9, values[i]);
            Assert.Equal(inside ? 70 : 9, values[128 + i]);
        }
    }

    [Fact]
    public void What_is_applied_is_the_preview_normalised() => CsCheck.Check.Sample(
        CsCheck.Gen.Select(CsCheck.Gen.Int[1, 120], CsCheck.Gen.Int[1, 120], CsCheck.Gen.Int[1, 40], CsCheck.Gen.Int[1, 40], CsCheck.Gen.Int[0, 3], CsCheck.Gen.Bool),
        drawn =>
        {
            (int width, int height, int cropWidth, int cropHeight, int resize, bool open) = drawn;
            ClipPreprocessing preprocessing = new()
            {
                Resize = (PreprocessingResize)resize, ResizeWidth = 24, ResizeHeight = resize == 1 ? 24 : 20, Width = cropWidth, Height = cropHeight,
                Rounding = open ? CropRounding.HalfToEven : CropRounding.Down, Fill = 3,
            };
            RgbImage image = Pictures.Noise(width, height);
            float[] values = new float[preprocessing.Length];
            preprocessing.Apply(image, values);
            RgbImage preview = preprocessing.Preview(image);
            for (int i = 0; i < values.Length; i++)
            {
                int plane = cropWidth * cropHeight, channel = i / plane;
                float wanted = ((preview.Pixels.Span[(3 * (i % plane)) + channel] / 255f) - (float)preprocessing.Mean[channel]) / (float)preprocessing.Std[channel];
                Assert.Equal(wanted, values[i], 1e-6f);
            }
        },
        iter: 300);

    [Fact]
    public void Without_a_crop_the_resize_must_give_the_size()
    {
        ClipPreprocessing preprocessing = new()
        {
            Resize = PreprocessingResize.Shortest,
            ResizeWidth = 8,
            ResizeHeight = 8,
            Width = 8,
            Height = 8,
            CenterCrop = false,
        };
        Assert.Equal((8, 8, 0, 0), preprocessing.Geometry(30, 30));
        Assert.Throws<ImageFormatException>(() => preprocessing.Geometry(30, 40));
        Assert.Throws<ArgumentException>(() => preprocessing.Apply(Pictures.Flat(8, 8, 1, 1, 1), new float[7]));
    }

    [Fact]
    public void A_strip_too_thin_to_scale_is_refused() =>
        Assert.Throws<ImageFormatException>(() => ClipPreprocessing.Default(8192).Geometry(1, 10_000_000));

    [Fact]
    public void Applying_allocates_nothing()
    {
        ClipPreprocessing preprocessing = ClipPreprocessing.Default(64);
        RgbImage image = Pictures.Noise(200, 150);
        float[] values = new float[preprocessing.Length];
        preprocessing.Apply(image, values);
        preprocessing.Apply(image, values);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            preprocessing.Apply(image, values);
        }

        // A pooled buffer may be taken from another thread now and then and be made anew.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 300_000);
    }

    [Fact]
    public void Configurations_of_the_published_layouts_are_read()
    {
        using JsonDocument clip = JsonDocument.Parse("""{"do_center_crop": null, "size": {"shortest_edge": 30}, "crop_size": {"height": 30, "width": 30}, "resample": null, "image_mean": null}""");
        ClipPreprocessing read = ClipPreprocessing.FromPreprocessorConfig(clip.RootElement, "preprocessor_config.json");
        Assert.True(read.CenterCrop);
        Assert.Equal(ResamplingFilter.Bicubic, read.Filter);
        Assert.Equal(0.48145466, read.Mean[0]);
    }
}
