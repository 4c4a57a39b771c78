namespace DiffusionClip.Denoising;

/// <summary>Quantiles of the beta distribution, for the schedule of Lee et al. 2024 ("Beta Sampling is All You Need").</summary>
internal static class BetaDistribution
{
    /// <summary>
    /// The x in [0, 1] below which lies the probability <paramref name="p"/> of Beta(<paramref name="a"/>, <paramref name="b"/>).
    /// </summary>
    public static double Quantile(double p, double a, double b)
    {
        if (p <= 0)
        {
            return 0;
        }

        if (p >= 1)
        {
            return 1;
        }

        double logScale = LogGamma(a + b) - LogGamma(a) - LogGamma(b);
        double low = 0;
        double high = 1;
        double x = 0.5;
        // Newton inside a bracket; the density is unbounded at the ends, so plain Newton could leave it.
        for (int i = 0; i < 200; i++)
        {
            double error = Cumulative(x, a, b, logScale) - p;
            if (error > 0)
            {
                high = x;
            }
            else
            {
                low = x;
            }

            double density = Math.Exp(logScale + ((a - 1) * Math.Log(x)) + ((b - 1) * Math.Log(1 - x)));
            double next = x - (error / density);
            if (!(next > low && next < high))
            {
                next = (low + high) / 2;
            }

            if (Math.Abs(next - x) <= 1e-16 * x || next == x)
            {
                return next;
            }

            x = next;
        }

        return x;
    }

    // Regularized incomplete beta function by its continued fraction (Lentz's method).
    private static double Cumulative(double x, double a, double b, double logScale)
    {
        double front = Math.Exp(logScale + (a * Math.Log(x)) + (b * Math.Log(1 - x)));
        return x < (a + 1) / (a + b + 2) ? front * Fraction(x, a, b) / a : 1 - (front * Fraction(1 - x, b, a) / b);
    }

    private static double Fraction(double x, double a, double b)
    {
        const double tiny = 1e-300;
        double c = 1;
        double d = 1 / NotZero(1 - ((a + b) * x / (a + 1)));
        double result = d;
        for (int m = 1; m < 1000; m++)
        {
            double even = m * (b - m) * x / ((a + (2 * m) - 1) * (a + (2 * m)));
            d = 1 / NotZero(1 + (even * d));
            c = NotZero(1 + (even / c));
            result *= d * c;
            double odd = -(a + m) * (a + b + m) * x / ((a + (2 * m)) * (a + (2 * m) + 1));
            d = 1 / NotZero(1 + (odd * d));
            c = NotZero(1 + (odd / c));
            result *= d * c;
            if (Math.Abs((d * c) - 1) < 1e-16)
            {
                break;
            }
        }

        return result;

        static double NotZero(double value) => Math.Abs(value) < tiny ? tiny : value;
    }

    // Lanczos' approximation with g = 7; the coefficients are the usual nine.
    private static double LogGamma(double x)
    {
        ReadOnlySpan<double> coefficients =
        [
            0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
            12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
        ];
        if (x < 0.5)
        {
            return Math.Log(Math.PI / Math.Abs(Math.Sin(Math.PI * x))) - LogGamma(1 - x);
        }

        x -= 1;
        double sum = coefficients[0];
        for (int i = 1; i < coefficients.Length; i++)
        {
            sum += coefficients[i] / (x + i);
        }

        double t = x + 7.5;
        return (0.5 * Math.Log(2 * Math.PI)) + ((x + 0.5) * Math.Log(t)) - t + Math.Log(sum);
    }
}
