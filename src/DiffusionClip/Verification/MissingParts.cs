namespace DiffusionClip.Verification;

/// <summary>What a folder that cannot be read lacks.</summary>
internal static class MissingParts
{
    /// <summary>What the layout that the folder comes nearest to cannot be without.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="files">Its files by their paths in it, with slashes.</param>
    public static string[] Of(string folder, string[] files)
    {
        bool Has(string name) => files.Contains(name, StringComparer.Ordinal);
        if (Has("model_index.json") || Directory.Exists(Path.Combine(folder, "unet")))
        {
            string denoiser = Directory.Exists(Path.Combine(folder, "transformer")) ? "transformer" : "unet";
            string[] parts =
            [
                "model_index.json", "scheduler/scheduler_config.json", "text_encoder/model.onnx", "text_encoder/config.json",
                $"{denoiser}/model.onnx", $"{denoiser}/config.json", "vae_decoder/model.onnx", "vae_decoder/config.json",
            ];
            string[] tokenizer = Has("tokenizer/tokenizer.json") ? [] : ["tokenizer/vocab.json", "tokenizer/merges.txt"];
            return [.. parts.Concat(tokenizer).Where(part => !Has(part))];
        }

        string[] graphs = [.. files.Where(file => file.EndsWith(".onnx", StringComparison.Ordinal))];
        bool isJoint = graphs.Any(file => Path.GetFileName(file).StartsWith("model", StringComparison.Ordinal));
        bool Some(params string[] names) => graphs.Any(file => names.Any(name => file.Contains(name, StringComparison.Ordinal)));
        return
        [
            .. isJoint || Some("text_model", "textual") ? Array.Empty<string>() : ["a text tower (onnx/text_model.onnx)"],
            .. isJoint || Some("vision_model", "visual") ? Array.Empty<string>() : ["an image tower (onnx/vision_model.onnx)"],
            .. Has("config.json") || Has("open_clip_config.json") || Some("textual") ? Array.Empty<string>() : ["config.json"],
            .. files.Any(file => Path.GetFileName(file) is "vocab.json" or "tokenizer.json" or "spiece.model")
                ? Array.Empty<string>()
                : ["a tokenizer (vocab.json and merges.txt, tokenizer.json, or spiece.model)"],
        ];
    }
}
