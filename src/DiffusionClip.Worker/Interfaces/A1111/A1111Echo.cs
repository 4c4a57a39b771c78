using System.Text.Json.Nodes;

namespace DiffusionClip.Worker.Interfaces.A1111;

/// <summary>
/// The <c>parameters</c> of a reply: the API's own fields as the body gave them or at their defaults. Nothing else of a body comes back,
/// since programs put addresses and passwords of their own beside them.
/// </summary>
internal static class A1111Echo
{
    // The fields in the order of the API; a default of null is filled in with what was used, where that is known.
    private static readonly (string Name, string Default)[] _both =
    [
        ("prompt", "\"\""),
        ("negative_prompt", "\"\""),
        ("styles", "null"),
        ("seed", "-1"),
        ("subseed", "-1"),
        ("subseed_strength", "0"),
        ("seed_resize_from_h", "-1"),
        ("seed_resize_from_w", "-1"),
        ("sampler_name", "null"),
        ("batch_size", "1"),
        ("n_iter", "1"),
        ("steps", "null"),
        ("cfg_scale", "null"),
        ("width", "null"),
        ("height", "null"),
        ("restore_faces", "null"),
        ("tiling", "null"),
        ("do_not_save_samples", "false"),
        ("do_not_save_grid", "false"),
        ("eta", "null"),
        ("denoising_strength", "null"),
        ("s_min_uncond", "null"),
        ("s_churn", "null"),
        ("s_tmax", "null"),
        ("s_tmin", "null"),
        ("s_noise", "null"),
        ("override_settings", "null"),
        ("override_settings_restore_afterwards", "true"),
        ("refiner_checkpoint", "null"),
        ("refiner_switch_at", "null"),
        ("disable_extra_networks", "false"),
        ("comments", "null"),
        ("sampler_index", "null"),
        ("script_name", "null"),
        ("script_args", "[]"),
        ("send_images", "true"),
        ("save_images", "false"),
        ("alwayson_scripts", "{}"),
        ("infotext", "null"),
        ("force_task_id", "null"),
        ("scheduler", "null"),
        ("clip_skip", "null"),
    ];

    private static readonly (string Name, string Default)[] _text =
    [
        ("enable_hr", "false"),
        ("firstphase_width", "0"),
        ("firstphase_height", "0"),
        ("hr_scale", "2.0"),
        ("hr_upscaler", "null"),
        ("hr_second_pass_steps", "0"),
        ("hr_resize_x", "0"),
        ("hr_resize_y", "0"),
        ("hr_checkpoint_name", "null"),
        ("hr_sampler_name", "null"),
        ("hr_scheduler", "null"),
        ("hr_prompt", "\"\""),
        ("hr_negative_prompt", "\"\""),
    ];

    private static readonly (string Name, string Default)[] _image =
    [
        ("init_images", "null"),
        ("resize_mode", "0"),
        ("image_cfg_scale", "null"),
        ("mask", "null"),
        ("mask_blur", "null"),
        ("mask_blur_x", "4"),
        ("mask_blur_y", "4"),
        ("mask_round", "true"),
        ("inpainting_fill", "0"),
        ("inpaint_full_res", "true"),
        ("inpaint_full_res_padding", "0"),
        ("inpainting_mask_invert", "0"),
        ("initial_noise_multiplier", "null"),
        ("include_init_images", "false"),
    ];

    /// <summary>The fields of a body.</summary>
    /// <param name="fields">The body, checked.</param>
    /// <param name="fromImage">Whether of <c>img2img</c>.</param>
    /// <param name="includesImages">Whether the pictures it gave come back.</param>
    public static JsonObject Of(BodyFields fields, bool fromImage, bool includesImages)
    {
        var echo = new JsonObject();
        foreach ((string name, string otherwise) in _both.Concat(fromImage ? _image : _text))
        {
            bool isPicture = name is "init_images" or "mask";
            echo[name] =
                fields.Get(name) is { } given && (!isPicture || includesImages)
                    ? JsonNode.Parse(given.GetRawText())
                    : JsonNode.Parse(isPicture ? "null" : otherwise);
        }

        return echo;
    }
}
